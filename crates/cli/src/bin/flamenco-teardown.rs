//! `flamenco-teardown`: `flamenco-azure teardown` under a name of its own.

fn main() -> std::process::ExitCode {
    flamenco_azure_cli::run_as("teardown")
}
