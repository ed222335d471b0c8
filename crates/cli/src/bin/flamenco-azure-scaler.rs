//! The scaler as a service: `flamenco-azure-scaler --config /etc/flamenco-azure/scaler.yaml`.

fn main() -> std::process::ExitCode {
    flamenco_azure_cli::daemon::run(std::env::args_os())
}
