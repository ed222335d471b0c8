//! Which differences are known: the table in [`azure_sim::differences`], consulted and checked for stale rows.

use std::collections::BTreeMap;

use azure_sim::differences::{DIFFERENCES, Difference};

/// Rows that occurred, and how often.
#[derive(Debug, Default)]
pub(super) struct Known {
    met: BTreeMap<usize, usize>,
}

/// Whether a text fits a pattern in which `*` stands for anything.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let Some((front, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(front) else { return false };
    if rest.is_empty() {
        return true;
    }
    loop {
        if fits(rest, text) {
            return true;
        }
        let Some(next) = text.chars().next() else { return false };
        text = &text[next.len_utf8()..];
    }
}

impl Known {
    /// The differences of an operation that no row explains.
    pub(super) fn unexplained(&mut self, operation: &str, differences: Vec<String>) -> Vec<String> {
        differences.into_iter().filter(|difference| !self.explains(operation, difference)).collect()
    }

    fn explains(&mut self, operation: &str, difference: &str) -> bool {
        let row = |row: &Difference| fits(row.operation, operation) && fits(row.what, difference);
        let Some(found) = DIFFERENCES.iter().position(row) else { return false };
        *self.met.entry(found).or_default() += 1;
        true
    }

    /// Rows that occurred, with their counts and reasons.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |(index, count): (&usize, &usize)| {
            let row = DIFFERENCES.get(*index)?;
            Some(format!("{count:>5}  known difference: {}: {} ({})", row.operation, row.what, row.reason))
        };
        self.met.iter().filter_map(line).collect()
    }

    /// Rows that did not occur.
    pub(super) fn stale(&self) -> Vec<String> {
        let rows = DIFFERENCES.iter().enumerate().filter(|(index, _)| !self.met.contains_key(index));
        rows.map(|(_, row)| format!("{}: {}", row.operation, row.what)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_anything() {
        assert!(fits("lacks a.*.b", "lacks a.x.y.b") && fits("*", "") && fits("A_*", "A_Get"));
        assert!(!fits("lacks a", "lacks a.b") && !fits("A_*", "B_Get") && !fits("*x", "xy"));
    }
}
