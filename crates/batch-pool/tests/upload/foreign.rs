//! Uploads of other tools that wait where ours is to go.

use batch_pool::packages::PushError;

use super::ends::{End, id, packed};
use super::gate::Tricks;

/// A block's id of another length than ours.
const FOREIGN: &str = "YQ%3D%3D";

pub async fn blocks_of_another_tool_do_not_matter(end: &End) {
    let (id, it) = (id("foreign", "1"), packed(5 << 20, 5));
    end.packages.make("foreign").await.unwrap();
    end.packages.offer(&id).await.unwrap();
    end.stage(&id, FOREIGN, b"something else").await;
    end.push(&id, &it).await.unwrap();
    end.assert_active(&id, &it).await;
}

/// Nodes boot at any time: what is active is the old content or the new one, with its digest, wherever the push is killed.
pub async fn an_active_version_keeps_its_content_while_blocks_of_another_tool_are_dropped(end: &End) {
    let (old, new) = (packed(100, 21), packed(5 << 20, 22));
    let mut contents = Vec::new();
    for it in [&old, &new] {
        let mut bytes = Vec::new();
        it.copy_to(&mut bytes).unwrap();
        contents.push((200, bytes, it.sha256().to_owned()));
    }
    for cut in 0.. {
        let id = id(&format!("live{cut}"), "1");
        end.gate.play(Tricks::default());
        end.push(&id, &old).await.unwrap();
        end.stage(&id, FOREIGN, b"something else").await;
        end.gate.play(Tricks { cut_after: Some(cut), ..Tricks::default() });
        let first = end.replace(&id, &new).await;
        let (status, bytes, digest) = end.download(&id).await;
        let seen = format!("cut after {cut}: {status}, {} bytes, digest {digest}", bytes.len());
        assert!(contents.contains(&(status, bytes, digest)), "{seen}");
        end.gate.play(Tricks::default());
        end.replace(&id, &new).await.unwrap();
        end.assert_active(&id, &new).await;
        end.packages.remove(&id).await.unwrap();
        end.packages.remove_application(id.application()).await.unwrap();
        if first.is_ok() {
            // Looked at, tried, dropped by way of three requests, two blocks, put together.
            assert!(cut >= 9, "{cut}");
            return;
        }
    }
}

/// One that was sent in one piece has no blocks that could be kept. A version that nodes do not see yet is no matter.
pub async fn an_active_version_in_one_piece_is_left_alone_where_blocks_of_another_tool_wait(end: &End) {
    let (active, it) = (id("whole", "1"), packed(1 << 20, 23));
    end.gate.play(Tricks::default());
    end.push(&active, &packed(100, 24)).await.unwrap();
    end.put_whole(&active, b"of another tool").await;
    end.stage(&active, FOREIGN, b"something else").await;
    let error = end.replace(&active, &it).await.unwrap_err();
    assert!(matches!(&error, PushError::Unfinished { version, .. } if version == "1"), "{error:?}");
    let (status, bytes, _) = end.download(&active).await;
    assert_eq!((status, &bytes[..]), (200, &b"of another tool"[..]));
    let pending = id("whole", "2");
    end.packages.offer(&pending).await.unwrap();
    end.put_whole(&pending, b"of another tool").await;
    end.stage(&pending, FOREIGN, b"something else").await;
    end.push(&pending, &it).await.unwrap();
    end.assert_active(&pending, &it).await;
}
