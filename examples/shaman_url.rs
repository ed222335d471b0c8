//! Manager URL ⇄ `shaman://` URL, and where a farm's Manager is. No network.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use flamenco_azure_core::shaman::{FarmLocator, ManagerLocator, ShamanUrl, StaticLocator};
use flamenco_azure_examples::{Azure, Result, farm, farm_file, on_azure};

fn main() -> Result {
    on_azure(run)
}

/// The `shaman://` URLs of three Managers.
pub async fn run(azure: Azure) -> Result<Vec<String>> {
    // What Flamenco 2's add-on has under "Job Storage", and what it stands for.
    let stored: ShamanUrl = "shaman+http://10.42.0.4:8080/#shots%2F010".parse()?;
    println!("{stored} is {} with checkout {:?}", stored.manager_url(), stored.checkout_id());

    // Who needs a Manager takes a locator: the farm file knows, or somebody else does.
    let farm = farm(&farm_file(&azure.subscription, "studio"))?;
    let known = StaticLocator(ShamanUrl::from_manager_url("https://render.example.org")?);
    let locators: [&dyn ManagerLocator; 2] = [&FarmLocator::new(&farm), &known];
    let mut all = vec![stored.to_string()];
    for locator in locators {
        let url = locator.manager_url().await?;
        println!("{} is {url}", url.manager_url());
        all.push(url.to_string());
    }
    Ok(all)
}
