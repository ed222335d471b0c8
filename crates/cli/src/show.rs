//! Plans, costs and farms as text for people.

use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::plan::{Plan, Verb};

use crate::printer::{Mode, Printer};

/// The name column's usual width.
const NAME: usize = 28;

/// Prints a plan: a line per step, changed fields below, then what blocks and what stays.
pub fn plan(printer: Printer, plan: &Plan) {
    if printer.mode() == Mode::Json {
        printer.event("plan", serde_json::json!({"plan": plan}));
        return;
    }
    let width = width(plan);
    for step in &plan.steps {
        let (code, sign) = match step.verb {
            Verb::Create => ("32", "+"),
            Verb::Delete => ("31", "-"),
            Verb::Await => ("2", "…"),
            Verb::Update | Verb::Resize | Verb::Start | Verb::Stop => ("33", "~"),
        };
        let sign = printer.paint(code, sign);
        printer.result(format!(
            "  {sign} {:<6} {:<width$} {}: {}",
            step.verb.as_str(),
            name(&step.resource),
            step.purpose,
            step.reason
        ));
        for change in &step.changes {
            printer.result(format!("             {change}"));
        }
    }
    for blocked in &plan.blocked {
        if blocked.changes.is_empty() {
            printer.warn(format!("`{}` waits: {}", name(&blocked.resource), blocked.remedy));
            continue;
        }
        printer.warn(format!("`{}` cannot be changed in place:", name(&blocked.resource)));
        for change in &blocked.changes {
            printer.info(format!("             {change}"));
        }
        printer.info(format!("         {}", blocked.remedy));
    }
    for left in &plan.left {
        printer.result(format!(
            "  = stays  {:<width$} {} ({})",
            name(&left.resource),
            left.why,
            left.resource.kind()
        ));
    }
}

/// What a resource is called in lists. Tags and role assignments have no name that says anything: they go by what they
/// are on.
pub fn name(resource: &ResourceId) -> &str {
    if resource.is_kind("Microsoft.Resources/tags") {
        return resource.group_name().unwrap_or_else(|| resource.name());
    }
    let text = resource.as_str();
    let role = text.to_ascii_lowercase().find("/providers/microsoft.authorization/roleassignments/");
    let scope = role.and_then(|at| text[..at].rsplit('/').next());
    scope.unwrap_or_else(|| resource.name())
}

/// The name column: wide enough for the longest name.
fn width(plan: &Plan) -> usize {
    let steps = plan.steps.iter().map(|step| &step.resource);
    let all = steps.chain(plan.left.iter().map(|left| &left.resource));
    all.map(|resource| name(resource).chars().count()).max().unwrap_or_default().max(NAME)
}

/// `1 thing`, `2 things`.
pub fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}
