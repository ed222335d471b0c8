//! The scaler's program in the farm's storage account, from where its machine fetches it.

use std::sync::Arc;
use std::time::Duration;

use azure_core::http::RequestContent;
use azure_storage_blob::{BlobClient, BlobClientOptions};

use crate::storage::{StorageError, StorageOptions};

/// How long the upload may take on a slow line.
const UPLOAD: Duration = Duration::from_mins(20);

/// Puts the program where it is not yet; false when it was there. Its blob is named after its checksum, so what is there is
/// what is wanted.
pub async fn upload(options: &StorageOptions, sha256: &str, program: Vec<u8>) -> Result<bool, StorageError> {
    let mut options = options.clone();
    options.retry.try_timeout = UPLOAD;
    let name = crate::surroundings::program_blob(sha256);
    let url = options.url("blob", &[crate::surroundings::PROGRAMS, &name])?;
    let credential = Some(Arc::clone(&options.credential));
    let client_options = BlobClientOptions { client_options: options.client(), ..Default::default() };
    let blob = BlobClient::new(url, credential, Some(client_options))
        .map_err(|_| StorageError::Address { text: name.clone() })?;
    let sender = options.sender();
    match sender.send("look for the scaler's program", || blob.get_properties(None)).await {
        Ok(_) => return Ok(false),
        Err(failure) if failure.error.is_one_of(&["BlobNotFound", "404"]) => {}
        Err(failure) => return Err(failure.error),
    }
    let program = azure_core::Bytes::from(program);
    sender
        .send("upload the scaler's program", || blob.upload(RequestContent::from(program.to_vec()), None))
        .await?;
    Ok(true)
}
