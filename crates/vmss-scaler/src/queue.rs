//! The queue on which machines ask to be deleted, and the one where requests end that cannot be met.
//!
//! What a message says is read by [`request`](crate::request), what becomes of it is in [`ledger`](crate::ledger).
//! Extending a message's invisibility needs `messages/write`, which of the built-in roles only *Storage Queue Data
//! Contributor* has ("Authorize with Microsoft Entra ID", queue operations); senders need *Message Sender*.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::http::headers::HeaderName;
use azure_storage_queue::models::{
    QueueClientReceiveMessagesOptions, QueueClientSendMessageOptions, QueueMessage, ReceivedMessage,
};
use azure_storage_queue::{QueueClient, QueueClientOptions};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::storage::{Sender, StorageError, StorageOptions};

/// The most messages that one request gets ("Get Messages").
pub const MOST: u8 = 32;
/// How long a message that was received or extended stays invisible.
pub const INVISIBLE: Duration = Duration::from_mins(5);
/// What the poison queue's name ends with.
const POISON: &str = "-poison";
/// The longest name of a queue ("Naming Queues and Metadata").
const LONGEST_NAME: usize = 63;
/// The most text of a message that is kept on the poison queue, whose own messages have room for 64 KiB.
const LONGEST_TEXT: usize = 8 * 1024;
/// A life without end, instead of seven days.
const FOR_EVER: i32 = -1;
/// The message is somebody else's by now, or gone.
const GONE: &[&str] = &["MessageNotFound", "PopReceiptMismatch"];

/// Why a queue did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The message came back to the queue before its time, or is gone: this handle is good for nothing any more.
    #[error("the message is no longer held")]
    NotHeld,
    /// Storage did not do it.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A message that was received and is invisible to others for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id on the queue.
    pub id: String,
    /// Its text, decoded if the sender used base64.
    pub text: String,
    /// How often it was received. No measure of failures: it is received again for many reasons.
    pub received: u32,
    /// When it was sent.
    pub sent: Option<Timestamp>,
    /// Until when it is invisible, from when the request for it was sent.
    pub until: Timestamp,
    receipt: String,
}

/// The name of a pool's queue: `scaler-<farm>-<pool>`, and where that is no legal name or too long for the poison
/// queue beside it, as much of it as fits with a hash of the whole.
pub fn queue_name(farm: &str, pool: &str) -> String {
    let wanted = format!("scaler-{farm}-{pool}");
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let neat = wanted.chars().all(legal) && !wanted.contains("--") && !wanted.ends_with('-');
    let most = LONGEST_NAME - POISON.len();
    // Hyphens inside the pool, or a pool of that name, could make two queues' names one.
    let unambiguous = !pool.contains('-') && pool != "poison" && !looks_hashed(&wanted);
    if neat && unambiguous && wanted.len() <= most {
        return wanted;
    }
    let mut hash = Sha256::new();
    for part in [farm, pool] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let hash = hash.finalize().iter().take(HASH / 2).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let mut stem = String::new();
    for c in wanted.to_lowercase().chars().map(|c| if legal(c) { c } else { '-' }) {
        if stem.len() == most - HASH - 1 {
            break;
        }
        if c != '-' || !stem.ends_with('-') {
            stem.push(c);
        }
    }
    format!("{}-{hash:0HASH$x}", stem.trim_end_matches('-'))
}

/// Characters of the hash in a name.
const HASH: usize = 12;

/// Whether a name ends like one with a hash, so that no plain name is taken for another pool's hashed one.
fn looks_hashed(name: &str) -> bool {
    let end = name.rsplit('-').next().unwrap_or_default();
    end.len() == HASH && end.chars().all(|c| c.is_ascii_hexdigit())
}

/// The name of the poison queue beside a queue.
pub fn poison_name(queue: &str) -> String {
    format!("{queue}{POISON}")
}

/// The text of a message. Old senders wrote it as it is; some libraries encode it in base64.
fn decode(text: &str) -> String {
    // No form of a request is base64: all have a comma.
    if text.contains(',') {
        return text.to_owned();
    }
    let decoded = STANDARD.decode(text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.unwrap_or_else(|| text.to_owned())
}

/// A pool's deletion queue.
pub struct DeletionQueue {
    name: String,
    queue: QueueClient,
    poison: QueueClient,
    sender: Sender,
}

impl fmt::Debug for DeletionQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeletionQueue").field("name", &self.name).finish_non_exhaustive()
    }
}

impl DeletionQueue {
    /// The queue of this name, usually [`queue_name`], and its poison queue. Nothing is sent yet.
    pub fn new(options: &StorageOptions, name: &str) -> Result<Self, QueueError> {
        let client = |name: &str| {
            let client = QueueClientOptions { client_options: options.client(), ..Default::default() };
            let credential = Some(Arc::clone(&options.credential));
            let url = options.url("queue", &[name])?;
            QueueClient::new(url, credential, Some(client))
                .map_err(|_| StorageError::Address { text: name.to_owned() })
        };
        let (queue, poison) = (client(name)?, client(&poison_name(name))?);
        Ok(Self { name: name.to_owned(), queue, poison, sender: options.sender() })
    }

    /// The queue's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes the queue and its poison queue where they are missing.
    pub async fn ensure(&self) -> Result<(), QueueError> {
        for queue in [&self.queue, &self.poison] {
            // Metadata that somebody added makes no difference to us.
            match self.sender.send("make the queue", || queue.create(None)).await {
                Ok(_) => {}
                Err(failure) if failure.error.is_one_of(&["QueueAlreadyExists"]) => {}
                Err(failure) => return Err(failure.error.into()),
            }
        }
        Ok(())
    }

    /// Puts a text on the queue. Sent twice because an answer was lost, it counts once: by its request id.
    pub async fn send(&self, text: &str) -> Result<(), QueueError> {
        self.put(&self.queue, "send the message", text).await
    }

    async fn put(&self, queue: &QueueClient, what: &'static str, text: &str) -> Result<(), QueueError> {
        let message = QueueMessage { message_text: Some(text.to_owned()) };
        let put = self.sender.send(what, || {
            let message = message.clone();
            async move {
                let options = QueueClientSendMessageOptions {
                    message_time_to_live: Some(FOR_EVER),
                    ..Default::default()
                };
                queue.send_message(message.try_into()?, Some(options)).await
            }
        });
        put.await.map(|_| ()).map_err(|failure| failure.error.into())
    }

    /// Receives up to `most` messages (at most [`MOST`]), invisible to others for [`INVISIBLE`]. If an answer is lost,
    /// its messages come back after that.
    pub async fn receive(&self, most: u8) -> Result<Vec<Message>, QueueError> {
        const WHAT: &str = "receive messages";
        let answer = self.sender.send(WHAT, || async {
            let options = QueueClientReceiveMessagesOptions {
                number_of_messages: Some(i32::from(most.clamp(1, MOST))),
                visibility_timeout: Some(seconds(INVISIBLE)),
                ..Default::default()
            };
            self.queue.receive_messages(Some(options)).await?.into_model()
        });
        let answer = answer.await.map_err(|failure| failure.error)?;
        let until = later(answer.sent, INVISIBLE);
        let messages = answer.value.items.unwrap_or_default().into_iter();
        messages
            .map(|message| read(message, until).ok_or_else(|| StorageError::Garbled { what: WHAT }.into()))
            .collect()
    }

    /// Keeps a message invisible for another [`INVISIBLE`] from now. [`QueueError::NotHeld`] when that came too late,
    /// or when the answer was lost: then it comes back by itself.
    pub async fn extend(&self, message: &mut Message) -> Result<(), QueueError> {
        const WHAT: &str = "extend the message";
        let answer = self.sender.send(WHAT, || {
            self.queue.update_message(&message.id, &message.receipt, seconds(INVISIBLE), None)
        });
        let answer = match answer.await {
            Ok(answer) => answer,
            Err(failure) if failure.error.is_one_of(GONE) => return Err(QueueError::NotHeld),
            Err(failure) => return Err(failure.error.into()),
        };
        let receipt = answer.value.headers().get_optional_str(&HeaderName::from_static("x-ms-popreceipt"));
        let receipt = receipt.ok_or(StorageError::Garbled { what: WHAT })?.to_owned();
        message.receipt = receipt;
        message.until = later(answer.sent, INVISIBLE);
        Ok(())
    }

    /// Deletes a message. One that is gone already is as well; one that came back to the queue before its time is
    /// [`QueueError::NotHeld`].
    pub async fn delete(&self, message: &Message) -> Result<(), QueueError> {
        let deleted = self
            .sender
            .send("delete the message", || self.queue.delete_message(&message.id, &message.receipt, None))
            .await;
        match deleted {
            Ok(_) => Ok(()),
            Err(failure) if failure.error.is_one_of(&["MessageNotFound"]) => Ok(()),
            Err(failure) if failure.error.is_one_of(GONE) => Err(QueueError::NotHeld),
            Err(failure) => Err(failure.error.into()),
        }
    }

    /// Moves a message to the poison queue, with the reason: JSON of `version`, `reason`, `text`, `received`, `sent`.
    /// Between the two steps it is on both, never on none.
    pub async fn poison(&self, message: &Message, reason: &str) -> Result<(), QueueError> {
        let text: String = message.text.chars().take(LONGEST_TEXT / 4).collect();
        let note = serde_json::json!({
            "version": 1,
            "reason": reason,
            "text": text,
            "received": message.received,
            "sent": message.sent.map(|at| at.to_string()),
        });
        self.put(&self.poison, "move the message to the poison queue", &note.to_string()).await?;
        self.delete(message).await
    }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

fn later(at: Timestamp, duration: Duration) -> Timestamp {
    at.checked_add(duration).unwrap_or(Timestamp::MAX)
}

fn read(message: ReceivedMessage, until: Timestamp) -> Option<Message> {
    let sent = message.insertion_time.and_then(|at| Timestamp::from_second(at.unix_timestamp()).ok());
    Some(Message {
        id: message.message_id?,
        text: decode(&message.message_text.unwrap_or_default()),
        received: u32::try_from(message.dequeue_count.unwrap_or_default()).unwrap_or(u32::MAX),
        sent,
        until,
        receipt: message.pop_receipt?,
    })
}
