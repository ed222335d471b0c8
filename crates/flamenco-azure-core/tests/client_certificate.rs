//! Sign-in with a certificate: run with the feature `client-certificate` and without it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::path::Path;

use azure_core::credentials::TokenCredential as _;
use flamenco_azure_core::arm::Cloud;
use flamenco_azure_core::identity::{CredentialChain, Environment};

/// What signing in with this certificate says: nothing listens at the address of the login.
async fn attempt(file: &Path, password: &str) -> String {
    let lookup = |name: &str| match name {
        "AZURE_TENANT_ID" | "AZURE_CLIENT_ID" => Some("5b3a7c1e-6f5d-4c2b-9a80-0123456789ab".to_owned()),
        "AZURE_CLIENT_CERTIFICATE_PATH" => Some(file.display().to_string()),
        "AZURE_CLIENT_CERTIFICATE_PASSWORD" => Some(password.to_owned()),
        _ => None,
    };
    let environment = Environment::from_variables(lookup);
    assert!(!format!("{environment:?}").contains(password));
    let cloud = Cloud { login: "https://127.0.0.1:1/", ..Cloud::public() };
    let chain = CredentialChain::new(environment, &cloud);
    let error = chain.get_token(&["https://management.azure.com/.default"], None).await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains(password));
    error.to_string()
}

#[cfg(not(feature = "client-certificate"))]
#[tokio::test]
async fn a_build_without_certificates_says_how_to_get_one_with_them() {
    let said = attempt(Path::new("sp.p12"), "HUSH-HUSH").await;
    assert!(
        said.contains("environment (certificate)") && said.contains("--features client-certificate"),
        "{said}"
    );
}

// Paused: azure_identity would try again for more than a minute.
#[cfg(feature = "client-certificate")]
#[tokio::test(start_paused = true)]
async fn a_certificate_signs_and_a_wrong_password_or_file_is_said_without_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let script =
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=farm -keyout key.pem -out cert.pem &&
                  openssl pkcs12 -export -inkey key.pem -in cert.pem -passout pass:HUSH-HUSH -out sp.p12";
    let made = std::process::Command::new("sh").args(["-ec", script]).current_dir(folder.path()).output();
    assert!(made.unwrap().status.success());
    let file = folder.path().join("sp.p12");
    // Read, parsed and signed with: all that is missing is someone who answers.
    let said = attempt(&file, "HUSH-HUSH").await;
    assert!(said.contains("127.0.0.1") || said.contains("no answer within"), "{said}");
    let said = attempt(&file, "WRONG-ONE").await;
    assert!(said.contains("environment (certificate)") && !said.contains("127.0.0.1"), "{said}");
    let said = attempt(&folder.path().join("none.p12"), "HUSH-HUSH").await;
    assert!(said.contains("none.p12 cannot be read"), "{said}");
}
