//! Help texts, word for word. `TRYCMD=overwrite cargo test -p flamenco-azure-cli --test cli_help` writes them anew.

#[test]
fn help_says_what_it_said() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}

#[test]
fn every_command_has_a_help_snapshot() {
    use clap::CommandFactory as _;
    let there = |name: &str| {
        let path = format!("{}/tests/cmd/{name}.trycmd", env!("CARGO_MANIFEST_DIR"));
        assert!(std::path::Path::new(&path).exists(), "{path} is missing");
    };
    for command in flamenco_azure_cli::args::Cli::command().get_subcommands() {
        there(command.get_name());
        for below in command.get_subcommands() {
            there(&format!("{}-{}", command.get_name(), below.get_name()));
        }
    }
}
