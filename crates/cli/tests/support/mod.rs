//! The real binary in a directory of its own, on a simulated Azure prepared by the test.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test support")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use azure_sim::{World, WorldConfig};

/// The subscription of every test.
pub const SUBSCRIPTION: &str = "5b3a7c1e-6f5d-4c2b-9a80-0123456789ab";

/// A farm file with the names of every test and what else this one says.
pub fn farm_file(rest: &str) -> String {
    format!(
        "defaultName: studio\n\
         subscriptionID: {SUBSCRIPTION}\n\
         location: westeurope\n\
         resourceGroup: studio-rg\n\
         storageAccountName: studiofiles\n\
         virtualMachine: studio-vm\n\
         {rest}"
    )
}

/// A public key of the right form; nobody has its private half.
pub const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHNpbXVsYXRlZC1mYXJtLWtleS1ub2JvZHktaGFzLWl0 sam@studio";

/// A run that has ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A directory, a home directory without keys, and a world in `w.json`.
pub struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    /// A new world.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A new world changed by `prepare`.
    pub fn with(prepare: impl FnOnce(&mut World)) -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir(place.path("home")).unwrap();
        let mut config = WorldConfig::new(SUBSCRIPTION);
        config.start = "2026-11-21T08:00:00Z".parse().unwrap();
        let mut world = World::new(config);
        prepare(&mut world);
        place.write("w.json", &world.to_json().unwrap());
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The farm file.
    pub fn file(&self) -> String {
        self.read("azure_config.yaml")
    }

    /// An ssh key where ssh-keygen puts it.
    pub fn give_key(&self) {
        std::fs::create_dir(self.path("home/.ssh")).unwrap();
        self.write("home/.ssh/id_ed25519.pub", KEY);
    }

    /// Groups and resources: all that Azure holds.
    pub fn holdings(&self) -> String {
        let world = self.world();
        format!("{:#?}\n{:#?}", world.groups(), world.resources())
    }

    /// The binary, ready to run here with nothing of the tester's environment.
    pub fn command(&self) -> Command {
        self.program(env!("CARGO_BIN_EXE_flamenco-azure"))
    }

    /// Another binary, likewise.
    pub fn program(&self, executable: &str) -> Command {
        let mut command = Command::new(executable);
        command.current_dir(self.directory.path()).env_clear();
        command.env("HOME", self.path("home")).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Runs it with these lines on standard input.
    pub fn pipe(&self, args: &[&str], input: &str) -> Ran {
        fed(self.command().args(args), input)
    }

    /// Runs it with empty standard input.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.pipe(args, "")
    }

    /// Runs it on the world of `w.json`, without anyone to ask.
    pub fn simulate(&self, line: &str) -> Ran {
        fed(self.command().args(["--simulate=w.json", "--no-input"]).args(line.split_whitespace()), "")
    }

    /// Runs it on the world of `w.json` with these lines on standard input.
    pub fn answered(&self, line: &str, input: &str) -> Ran {
        fed(self.command().arg("--simulate=w.json").args(line.split_whitespace()), input)
    }

    /// Changes the world between two runs.
    pub fn poke(&self, change: impl FnOnce(&mut World)) {
        let mut world = self.world();
        change(&mut world);
        self.write("w.json", &world.to_json().unwrap());
    }

    /// The world as it is.
    pub fn world(&self) -> World {
        World::from_json(&self.read("w.json")).unwrap()
    }

    /// `init` on the world, from a pipe.
    pub fn init(&self, args: &[&str], answers: &[&str]) -> Ran {
        let input: String = answers.iter().flat_map(|line| [*line, "\n"]).collect();
        self.pipe(&[&["init", "--simulate", "w.json"], args].concat(), &input)
    }

    /// `init --no-input` on the world.
    pub fn init_alone(&self, args: &[&str]) -> Ran {
        self.run(&[&["init", "--no-input", "--simulate", "w.json"], args].concat())
    }
}

/// Runs a program with these lines on standard input.
pub fn fed(command: &mut Command, input: &str) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The program may end before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

impl Ran {
    /// It ended with this code and its result says all of these.
    #[track_caller]
    pub fn said(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        for word in words {
            assert!(self.out.contains(word), "`{word}` is missing in:\n{}\n{}", self.out, self.err);
        }
    }

    /// It ended with this code and its errors say all of these.
    #[track_caller]
    pub fn ended(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "`{word}` is missing in:\n{}", self.err);
        }
    }

    /// How often the errors name something.
    pub fn count(&self, words: &str) -> usize {
        self.err.matches(words).count()
    }
}
