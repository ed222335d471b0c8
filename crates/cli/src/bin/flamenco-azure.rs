//! The command line of flamenco-azure.

fn main() -> std::process::ExitCode {
    flamenco_azure_cli::run(std::env::args_os())
}
