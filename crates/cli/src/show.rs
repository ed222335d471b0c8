//! Plans, costs and farms as text for people.

use flamenco_azure_core::plan::{Plan, Verb};

use crate::printer::{Mode, Printer};

/// Prints a plan: a line per step, changed fields below, then what blocks and what stays.
pub fn plan(printer: Printer, plan: &Plan) {
    if printer.mode() == Mode::Json {
        printer.event("plan", serde_json::json!({"plan": plan}));
        return;
    }
    for step in &plan.steps {
        let (code, sign) = match step.verb {
            Verb::Create => ("32", "+"),
            Verb::Delete => ("31", "-"),
            Verb::Await => ("2", "…"),
            Verb::Update | Verb::Resize | Verb::Start | Verb::Stop => ("33", "~"),
        };
        let sign = printer.paint(code, sign);
        printer.result(format!(
            "  {sign} {:<6} {:<28} {}: {}",
            step.verb.as_str(),
            step.resource.name(),
            step.purpose,
            step.reason
        ));
        for change in &step.changes {
            printer.result(format!("             {change}"));
        }
    }
    for blocked in &plan.blocked {
        printer.warn(format!("`{}` cannot be changed in place:", blocked.resource.name()));
        for change in &blocked.changes {
            printer.info(format!("             {change}"));
        }
        printer.info(format!("         {}", blocked.remedy));
    }
    for left in &plan.left {
        printer.result(format!(
            "  = stays  {:<28} {} ({})",
            left.resource.name(),
            left.why,
            left.resource.kind()
        ));
    }
}

/// `1 thing`, `2 things`.
pub fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}
