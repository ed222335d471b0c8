//! One cell of the matrix: a command, a call of it, a fault at that call.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use azure_sim::World;
use flamenco_azure_cli::failure::{Exit, Failure};
use flamenco_azure_tests::yard::{Ended, Yard, differences};
use serde_json::Value;

use crate::faults::Rule;
use crate::words;

/// No run takes longer than this beyond its undisturbed time: the two hours of an operation, an hour of asked-for
/// waiting, and what else was under way. Two throttled requests one after another may take an hour each.
const MOST_HOURS: i64 = 5;

/// A command with the world it starts from and what it does when nothing disturbs it.
pub(crate) struct Command {
    /// Its name in the table.
    pub(crate) name: &'static str,
    line: &'static str,
    yard: Yard,
    /// Its calls, in order.
    pub(crate) calls: Vec<Call>,
    want: Value,
}

/// One HTTP call of an undisturbed run.
pub(crate) struct Call {
    /// The method.
    pub(crate) method: String,
    /// The whole URL.
    pub(crate) url: String,
    /// The URL's path.
    pub(crate) path: String,
    /// The how manieth request of this method to this URL it is in the run, from 1.
    pub(crate) nth: u32,
    /// It is the last of them.
    pub(crate) last: bool,
    /// Its answer starts a long-running operation.
    pub(crate) starts_operation: bool,
    /// Its answer has a body.
    pub(crate) has_body: bool,
}

/// How a cell ended.
pub(crate) enum End {
    /// Exit 0 and the world of an undisturbed run.
    Converged,
    /// With this exit code and a message of this kind; the next run converged.
    Said(Exit, &'static str),
}

impl Command {
    /// Runs the command undisturbed.
    pub(crate) fn new(name: &'static str, line: &'static str, yard: Yard) -> Self {
        let reference = yard.fork(true);
        assert_eq!(reference.run(line), Exit::Done);
        let mut seen: BTreeMap<(String, String), u32> = BTreeMap::new();
        let mut calls: Vec<Call> = reference
            .last_traffic()
            .iter()
            .map(|exchange| {
                let (method, url) = (exchange.request.method.clone(), exchange.request.url.to_string());
                let nth = seen.entry((method.clone(), url.clone())).or_default();
                *nth += 1;
                let linked = ["azure-asyncoperation", "location"]
                    .iter()
                    .any(|name| exchange.response.header(name).is_some());
                Call {
                    starts_operation: method != "GET" && linked,
                    has_body: !exchange.response.body.is_empty(),
                    path: exchange.request.url.path().to_owned(),
                    nth: *nth,
                    last: false,
                    method,
                    url,
                }
            })
            .collect();
        for call in &mut calls {
            call.last = seen[&(call.method.clone(), call.url.clone())] == call.nth;
        }
        Self { name, line, want: reference.settled(), yard, calls }
    }
}

fn run_caught(yard: &Yard, line: &str) -> Result<Ended, String> {
    catch_unwind(AssertUnwindSafe(|| yard.cut(line, None).0)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!("panicked: {}", text.unwrap_or_default())
    })
}

/// Runs the command with the fault at the call, and again without it if it did not get through. An error says how the
/// law was broken.
pub(crate) fn run(command: &Command, call: &Call, rule: &Rule) -> Result<End, String> {
    let yard = command.yard.fork(true);
    yard.poke(|world| world.inject(rule.at(call)));
    let begun = yard.world().now();
    let ended = run_caught(&yard, command.line)?;
    let hours = yard.world().now().duration_since(begun).as_hours();
    if hours > MOST_HOURS {
        return Err(format!("took {hours} hours"));
    }
    yard.poke(|world| {
        world.clear_faults();
        world.release_operations();
    });
    let failure = match ended {
        Ended::Finished(Ok(Exit::Done)) => {
            same_world(command, &yard).map_err(|what| format!("exit 0, but {what}"))?;
            return Ok(End::Converged);
        }
        Ended::Finished(Ok(exit)) => return Err(format!("ended with {exit:?} and without a word")),
        Ended::Finished(Err(failure)) => failure,
        Ended::Cut | Ended::Endless => return Err("does not end".to_owned()),
    };
    let kind = words::judge(&failure, rule).map_err(|what| format!("{what}: {}", shown(&failure)))?;
    yard.poke(World::release_operations);
    match run_caught(&yard, command.line).map_err(|what| format!("the next run {what}"))? {
        Ended::Finished(Ok(Exit::Done)) => {
            same_world(command, &yard)
                .map_err(|what| format!("after {} the next run ends, but {what}", shown(&failure)))?;
            Ok(End::Said(failure.exit, kind))
        }
        Ended::Finished(Err(again)) => {
            Err(format!("after {} the next run fails too: {}", shown(&failure), shown(&again)))
        }
        other => Err(format!("after {} the next run ends as {other:?}", shown(&failure))),
    }
}

fn shown(failure: &Failure) -> String {
    format!("`{}` [exit {}, hint: {:?}]", failure.message, failure.exit as u8, failure.hint)
}

fn same_world(command: &Command, yard: &Yard) -> Result<(), String> {
    let have = yard.settled();
    if have == command.want {
        return Ok(());
    }
    let text = differences(&have, &command.want);
    Err(format!("the world is another one: {}", text.chars().take(600).collect::<String>()))
}
