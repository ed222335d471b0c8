//! `flamenco-scale`: `flamenco-azure scale` under a name of its own.

fn main() -> std::process::ExitCode {
    flamenco_azure_cli::run_as("scale")
}
