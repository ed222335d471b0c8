//! Packages arrive.

use batch_pool::packages::{PushError, Pushed};

use super::ends::{End, id, packed};
use super::gate::Tricks;

pub async fn what_was_packed_arrives_and_is_sent_once(end: &End) {
    let (id, first) = (id("blender", "5.0.1"), packed(9 << 20, 1));
    end.gate.play(Tricks::default());
    let pushed = end.push(&id, &first).await.unwrap();
    assert_eq!(pushed, Pushed::Sent { sent: first.size(), kept: 0 });
    assert_eq!(end.gate.staged(), (3, first.size()));
    end.assert_active(&id, &first).await;
    end.gate.play(Tricks::default());
    assert_eq!(end.push(&id, &first).await.unwrap(), Pushed::AlreadyThere);
    assert_eq!(end.gate.staged(), (0, 0));
}

pub async fn a_file_of_one_byte_arrives(end: &End) {
    let (id, small) = (id("small", "1"), packed(1, 1));
    end.push(&id, &small).await.unwrap();
    end.assert_active(&id, &small).await;
}

pub async fn other_content_replaces_only_when_asked(end: &End) {
    let (id, old, new) = (id("ffmpeg", "7.1"), packed(5 << 20, 2), packed(4 << 20, 3));
    end.push(&id, &old).await.unwrap();
    end.gate.play(Tricks::default());
    let error = end.push(&id, &new).await.unwrap_err();
    assert!(matches!(&error, PushError::Taken { version, .. } if version == "7.1"), "{error}");
    assert_eq!(end.gate.staged(), (0, 0));
    end.assert_active(&id, &old).await;
    assert_eq!(end.replace(&id, &new).await.unwrap(), Pushed::Sent { sent: new.size(), kept: 0 });
    end.assert_active(&id, &new).await;
}

pub async fn a_pending_package_with_the_content_is_only_activated(end: &End) {
    let (id, it) = (id("pending", "1"), packed(1 << 20, 4));
    end.gate.play(Tricks::default());
    end.push(&id, &it).await.unwrap();
    let all = end.gate.requests();
    let twin = super::ends::id("pending", "2");
    // The last request of a push is the activation, and on the shelf that is none of the wire.
    let without_activation = if end.world.is_some() { all - 1 } else { all };
    end.gate.play(Tricks { cut_after: Some(without_activation), ..Tricks::default() });
    let cut = end.push(&twin, &it).await;
    end.gate.play(Tricks::default());
    if cut.is_err() {
        assert_eq!(end.push(&twin, &it).await.unwrap(), Pushed::Activated);
        assert_eq!(end.gate.staged(), (0, 0));
    }
    end.assert_active(&twin, &it).await;
}
