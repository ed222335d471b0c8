//! Azure's naming rules as one table: what is legal, why something is not, and a legal suggestion for any text.
//!
//! Source: Microsoft's page "Naming rules and restrictions for Azure resources"; DNS labels from "Public IP
//! addresses"; computer names from "Linux VM names". Where Azure tolerates more than is wise (a VM name that is no
//! DNS label), the stricter rule is used because the tool puts the same name in both places.

use sha2::{Digest, Sha256};

/// What is being named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A farm: value of the ownership tag and part of a tag's name.
    Farm,
    /// A resource group.
    ResourceGroup,
    /// A storage account.
    StorageAccount,
    /// A blob container, queue or file share.
    Share,
    /// A Batch account.
    BatchAccount,
    /// A Batch pool, application or job id.
    Pool,
    /// The Manager VM, whose name is also its computer name and DNS label.
    VirtualMachine,
    /// A virtual machine scale set.
    ScaleSet,
    /// A pool of scale sets, whose names begin with the farm's and the pool's.
    Fleet,
    /// A virtual network.
    VirtualNetwork,
    /// A subnet, security group, network interface, public address, NAT gateway or load balancer.
    NetworkResource,
    /// The DNS label of a public address.
    DnsLabel,
    /// A user-assigned identity.
    Identity,
    /// A key vault.
    KeyVault,
    /// A compute gallery.
    Gallery,
    /// A gallery's image definition.
    ImageDefinition,
}

/// Within what a name must be unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of Azure.
    Global,
    /// One region, all customers.
    Region,
    /// The subscription.
    Subscription,
    /// The resource group.
    Group,
    /// The resource it is part of.
    Parent,
}

/// One row of the naming table.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// What it is about.
    pub kind: Kind,
    /// Its name in messages: `storage account`.
    pub what: &'static str,
    /// Within what the name must be unique.
    pub scope: Scope,
    /// Least number of characters.
    pub min: usize,
    /// Most characters.
    pub max: usize,
    /// The pattern in words.
    pub pattern: &'static str,
    /// Which characters may stand first, inside and last; and may the character follow itself.
    chars: Chars,
}

/// The character classes of a rule.
#[derive(Debug, Clone, Copy)]
struct Chars {
    first: fn(char) -> bool,
    inner: fn(char) -> bool,
    last: fn(char) -> bool,
    /// A separator that may not be doubled.
    single: Option<char>,
}

fn lower_alnum(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}
fn lower(c: char) -> bool {
    c.is_ascii_lowercase()
}
fn lower_alnum_hyphen(c: char) -> bool {
    lower_alnum(c) || c == '-'
}
fn alpha(c: char) -> bool {
    c.is_ascii_alphabetic()
}
fn alnum(c: char) -> bool {
    c.is_ascii_alphanumeric()
}
fn word(c: char) -> bool {
    alnum(c) || c == '_'
}
fn word_hyphen(c: char) -> bool {
    word(c) || c == '-'
}
fn word_dot(c: char) -> bool {
    word(c) || c == '.'
}
fn word_dot_hyphen(c: char) -> bool {
    word_hyphen(c) || c == '.'
}
fn alnum_hyphen(c: char) -> bool {
    alnum(c) || c == '-'
}
fn group_inner(c: char) -> bool {
    word_dot_hyphen(c) || c == '(' || c == ')'
}
fn group_last(c: char) -> bool {
    word_hyphen(c) || c == '(' || c == ')'
}

const fn chars(first: fn(char) -> bool, inner: fn(char) -> bool, last: fn(char) -> bool) -> Chars {
    Chars { first, inner, last, single: None }
}

const fn no_double(chars: Chars, c: char) -> Chars {
    Chars { single: Some(c), ..chars }
}

const LABEL: &str =
    "lower-case letters, digits and hyphens, starting with a letter, ending with a letter or digit";

/// The naming table.
pub const RULES: &[Rule] = &[
    Rule {
        kind: Kind::Farm,
        what: "farm",
        scope: Scope::Group,
        min: 1,
        max: 63,
        pattern: "lower-case letters, digits and hyphens, starting and ending with a letter or digit",
        chars: chars(lower_alnum, lower_alnum_hyphen, lower_alnum),
    },
    Rule {
        kind: Kind::ResourceGroup,
        what: "resource group",
        scope: Scope::Subscription,
        min: 1,
        max: 90,
        pattern: "letters, digits, `-`, `_`, `.` and parentheses, not ending with a dot",
        chars: chars(group_inner, group_inner, group_last),
    },
    Rule {
        kind: Kind::StorageAccount,
        what: "storage account",
        scope: Scope::Global,
        min: 3,
        max: 24,
        pattern: "lower-case letters and digits only",
        chars: chars(lower_alnum, lower_alnum, lower_alnum),
    },
    Rule {
        kind: Kind::Share,
        what: "share, container or queue",
        scope: Scope::Parent,
        min: 3,
        max: 63,
        pattern: "lower-case letters, digits and single hyphens, starting and ending with a letter or digit",
        chars: no_double(chars(lower_alnum, lower_alnum_hyphen, lower_alnum), '-'),
    },
    Rule {
        kind: Kind::BatchAccount,
        what: "Batch account",
        scope: Scope::Region,
        min: 3,
        max: 24,
        pattern: "lower-case letters and digits only",
        chars: chars(lower_alnum, lower_alnum, lower_alnum),
    },
    Rule {
        kind: Kind::Pool,
        what: "pool",
        scope: Scope::Parent,
        min: 1,
        max: 64,
        pattern: "letters, digits, `-` and `_`",
        chars: chars(word_hyphen, word_hyphen, word_hyphen),
    },
    Rule {
        kind: Kind::VirtualMachine,
        what: "virtual machine",
        scope: Scope::Region,
        min: 3,
        max: 63,
        pattern: LABEL,
        chars: chars(lower, lower_alnum_hyphen, lower_alnum),
    },
    Rule {
        kind: Kind::ScaleSet,
        what: "scale set",
        scope: Scope::Group,
        min: 2,
        max: 58,
        pattern: LABEL,
        chars: chars(lower, lower_alnum_hyphen, lower_alnum),
    },
    Rule {
        kind: Kind::Fleet,
        what: "scale-set pool",
        scope: Scope::Parent,
        min: 1,
        // What a scale set's name has room for beside a farm's name of one character.
        max: 43,
        pattern: "lower-case letters, digits and hyphens, starting and ending with a letter or digit",
        chars: chars(lower_alnum, lower_alnum_hyphen, lower_alnum),
    },
    Rule {
        kind: Kind::VirtualNetwork,
        what: "virtual network",
        scope: Scope::Group,
        min: 2,
        max: 64,
        pattern: "letters, digits, `_`, `.` and `-`, starting with a letter or digit, ending with one or `_`",
        chars: chars(alnum, word_dot_hyphen, word),
    },
    Rule {
        kind: Kind::NetworkResource,
        what: "network resource",
        scope: Scope::Group,
        min: 1,
        max: 80,
        pattern: "letters, digits, `_`, `.` and `-`, starting with a letter or digit, ending with one or `_`",
        chars: chars(alnum, word_dot_hyphen, word),
    },
    Rule {
        kind: Kind::DnsLabel,
        what: "DNS label",
        scope: Scope::Region,
        min: 3,
        max: 63,
        pattern: LABEL,
        chars: chars(lower, lower_alnum_hyphen, lower_alnum),
    },
    Rule {
        kind: Kind::Identity,
        what: "identity",
        scope: Scope::Group,
        min: 3,
        max: 128,
        pattern: "letters, digits, `-` and `_`, starting with a letter or digit",
        chars: chars(alnum, word_hyphen, word_hyphen),
    },
    Rule {
        kind: Kind::KeyVault,
        what: "key vault",
        scope: Scope::Global,
        min: 3,
        max: 24,
        pattern: "letters, digits and single hyphens, starting with a letter, ending with a letter or digit",
        chars: no_double(chars(alpha, alnum_hyphen, alnum), '-'),
    },
    Rule {
        kind: Kind::Gallery,
        what: "compute gallery",
        scope: Scope::Group,
        min: 1,
        max: 80,
        pattern: "letters, digits, `_` and `.`, starting and ending with a letter or digit",
        chars: chars(alnum, word_dot, alnum),
    },
    Rule {
        kind: Kind::ImageDefinition,
        what: "image definition",
        scope: Scope::Parent,
        min: 1,
        max: 80,
        pattern: "letters, digits, `_`, `.` and `-`, starting and ending with a letter or digit",
        chars: chars(alnum, word_dot_hyphen, alnum),
    },
];

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a legal {what} name: {why}")]
pub struct NameError {
    /// What was being named.
    pub kind: Kind,
    /// Its name in messages.
    pub what: &'static str,
    /// The refused name.
    pub name: String,
    /// What is wrong, in words.
    pub why: String,
}

impl Kind {
    /// The row of the naming table.
    pub fn rule(self) -> &'static Rule {
        // Every kind has a row (tested), so the first row is never a wrong answer.
        RULES.iter().find(|rule| rule.kind == self).unwrap_or(&RULES[0])
    }
}

/// Checks a name against the table.
pub fn check(kind: Kind, name: &str) -> Result<(), NameError> {
    let rule = kind.rule();
    match rule.trouble(name) {
        None => Ok(()),
        Some(why) => Err(NameError { kind, what: rule.what, name: name.to_owned(), why }),
    }
}

impl Rule {
    fn trouble(&self, name: &str) -> Option<String> {
        let length = name.chars().count();
        let Chars { first, inner, last, single } = self.chars;
        if length < self.min || length > self.max {
            let least = self.min;
            let most = self.max;
            let s = if length == 1 { "" } else { "s" };
            return Some(format!("it has {length} character{s}, {least} to {most} are allowed"));
        }
        let pattern = self.pattern;
        let quoted = |c: char| if c.is_whitespace() { "a space".to_owned() } else { format!("`{c}`") };
        if let Some(c) = name.chars().find(|c| !inner(*c)) {
            return Some(format!("{} is not allowed; {pattern}", quoted(c)));
        }
        if let Some(c) = name.chars().next().filter(|c| !first(*c)) {
            return Some(format!("it starts with {}; {pattern}", quoted(c)));
        }
        if let Some(c) = name.chars().next_back().filter(|c| !last(*c)) {
            return Some(format!("it ends with {}; {pattern}", quoted(c)));
        }
        let c = single?;
        name.contains(&format!("{c}{c}")).then(|| format!("`{c}{c}` is not allowed; {pattern}"))
    }
}

/// What a suggestion starts with when the text offers nothing usable.
pub(crate) const FALLBACK: &str = "flamenco";

/// A legal name of this kind made from any text: the text itself if it is legal, else folded to it.
/// The same text always gives the same name, and a suggestion suggests itself.
pub fn suggest(kind: Kind, base: &str) -> String {
    fold(kind, base).unwrap_or_else(|| FALLBACK.to_owned())
}

/// Like [`suggest`]; `None` when nothing of the text can be used.
pub fn fold(kind: Kind, base: &str) -> Option<String> {
    let rule = kind.rule();
    if rule.trouble(base).is_none() {
        return Some(base.to_owned());
    }
    let mut name = rule.folded(base, rule.max);
    if name.is_empty() {
        return None;
    }
    if name.len() < rule.min {
        name.push_str(FALLBACK);
    }
    Some(name)
}

/// Like [`suggest`], ending with eight hexadecimal digits of a hash of `salt`: for names shared with strangers
/// (storage account, Batch account, DNS label) when the plain one is taken.
pub fn suggest_unique(kind: Kind, base: &str, salt: &str) -> String {
    let rule = kind.rule();
    let digest = Sha256::digest(salt.as_bytes());
    let suffix = format!("{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3]);
    let name = rule.folded(base, rule.max - suffix.len());
    let stem = if name.is_empty() { FALLBACK } else { &name };
    format!("{stem}{suffix}")
}

impl Rule {
    /// What of the text is legal, at most `room` characters; perhaps nothing, perhaps too little.
    fn folded(&self, base: &str, room: usize) -> String {
        let Chars { first, inner, last, single } = self.chars;
        let folded = base.chars().flat_map(ascii).filter_map(|c| {
            let small = c.to_ascii_lowercase();
            let separator = inner('-').then_some('-');
            [Some(c), Some(small), separator].into_iter().flatten().find(|c| inner(*c))
        });
        let mut name = String::new();
        for c in folded.skip_while(|c| !first(*c) || *c == '-') {
            let doubled = (c == '-' || Some(c) == single) && name.ends_with(c);
            if !doubled && name.len() < room {
                name.push(c);
            }
        }
        // A dangling hyphen looks like a mistake even where it is legal.
        while name.ends_with(|c: char| !last(c) || c == '-') {
            name.pop();
        }
        name
    }
}

/// One character as ASCII: accents are dropped, German and Nordic letters spelt out, the rest becomes a separator.
fn ascii(c: char) -> impl Iterator<Item = char> {
    let spelt: &str = match c {
        'ä' | 'æ' => "ae",
        'Ä' | 'Æ' => "Ae",
        'ö' | 'ø' | 'œ' => "oe",
        'Ö' | 'Ø' | 'Œ' => "Oe",
        'ü' => "ue",
        'Ü' => "Ue",
        'ß' => "ss",
        'à' | 'á' | 'â' | 'ã' | 'å' | 'ā' | 'ą' => "a",
        'À' | 'Á' | 'Â' | 'Ã' | 'Å' | 'Ā' | 'Ą' => "A",
        'ç' | 'ć' | 'č' => "c",
        'Ç' | 'Ć' | 'Č' => "C",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ę' | 'ě' => "e",
        'È' | 'É' | 'Ê' | 'Ë' | 'Ē' | 'Ę' | 'Ě' => "E",
        'ì' | 'í' | 'î' | 'ï' | 'ī' => "i",
        'Ì' | 'Í' | 'Î' | 'Ï' | 'Ī' => "I",
        'ł' => "l",
        'Ł' => "L",
        'ñ' | 'ń' | 'ň' => "n",
        'Ñ' | 'Ń' | 'Ň' => "N",
        'ò' | 'ó' | 'ô' | 'õ' | 'ő' => "o",
        'Ò' | 'Ó' | 'Ô' | 'Õ' | 'Ő' => "O",
        'ř' => "r",
        'Ř' => "R",
        'ś' | 'š' | 'ş' => "s",
        'Ś' | 'Š' | 'Ş' => "S",
        'ù' | 'ú' | 'û' | 'ů' | 'ű' => "u",
        'Ù' | 'Ú' | 'Û' | 'Ů' | 'Ű' => "U",
        'ý' | 'ÿ' => "y",
        'Ý' => "Y",
        'ź' | 'ż' | 'ž' => "z",
        'Ź' | 'Ż' | 'Ž' => "Z",
        _ => "",
    };
    let plain = match (spelt, c) {
        // Combining marks follow a letter that already stands there.
        ("", '\u{300}'..='\u{36f}') => None,
        ("", c) if c.is_ascii() => Some(c),
        ("", _) => Some('-'),
        _ => None,
    };
    spelt.chars().chain(plain)
}
