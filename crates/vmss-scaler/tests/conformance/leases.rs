//! Leases.

use super::ends::End;

const A: &str = "aaaaaaaa-0000-4000-8000-000000000000";
const B: &str = "bbbbbbbb-0000-4000-8000-000000000000";
/// Another holder's.
const OTHER: [(&str, &str); 2] = [("x-ms-lease-duration", "60"), ("x-ms-proposed-lease-id", B)];

async fn leased(end: &End, name: &str, id: &str, seconds: &str) -> String {
    end.blob("PUT", &format!("{name}?restype=container"), &[]).await.is(201, "");
    let path = format!("{name}/b");
    end.put(&path, &[], "text").await.is(201, "");
    let got = end
        .lease(&path, "acquire", &[("x-ms-lease-duration", seconds), ("x-ms-proposed-lease-id", id)])
        .await;
    assert_eq!(got.is(201, "").header("x-ms-lease-id"), id);
    path
}

pub async fn a_lease_locks_writers_out(end: &End) {
    let path = &*leased(end, "locks", A, "60").await;
    let before = end.blob("HEAD", path, &[]).await;
    assert_eq!((before.header("x-ms-lease-status"), before.header("x-ms-lease-state")), ("locked", "leased"));
    assert_eq!(before.header("x-ms-lease-duration"), "fixed");
    end.put(path, &[], "x").await.is(412, "LeaseIdMissing");
    end.put(path, &[("x-ms-lease-id", B)], "x").await.is(412, "LeaseIdMismatchWithBlobOperation");
    end.blob("DELETE", path, &[]).await.is(412, "LeaseIdMissing");
    end.blob("PUT", &format!("{path}?comp=metadata"), &[]).await.is(412, "LeaseIdMissing");
    // Reading is free, but not under the wrong name.
    end.blob("GET", path, &[]).await.is(200, "");
    end.blob("GET", path, &[("x-ms-lease-id", B)]).await.is(412, "LeaseIdMismatchWithBlobOperation");
    end.blob("GET", path, &[("x-ms-lease-id", A)]).await.is(200, "");
    // A lease changes no etag; a write under it does, and keeps it.
    let renewed = end.lease(path, "renew", &[("x-ms-lease-id", A)]).await;
    assert_eq!(renewed.is(200, "").header("etag"), before.header("etag"));
    let stale = [("x-ms-lease-id", A), ("if-match", "\"0x8DE000000000000\"")];
    end.put(path, &stale, "x").await.is(412, "ConditionNotMet");
    let fresh = [("x-ms-lease-id", A), ("if-match", before.header("etag"))];
    end.put(path, &fresh, "new").await.is(201, "");
    assert_eq!(end.blob("HEAD", path, &[]).await.header("x-ms-lease-state"), "leased");
    // Making a new blob tells that it is there before anything else.
    end.put(path, &[("if-none-match", "*")], "x").await.is(409, "BlobAlreadyExists");
    end.blob("DELETE", path, &[("x-ms-lease-id", A)]).await.is(202, "");
    end.lease(path, "renew", &[("x-ms-lease-id", A)]).await.is(404, "BlobNotFound");
}

pub async fn leases_are_renewed_changed_released_and_broken(end: &End) {
    let path = &*leased(end, "cycle", A, "60").await;
    end.lease(path, "acquire", &OTHER).await.is(409, "LeaseAlreadyPresent");
    end.lease(path, "acquire", &[("x-ms-lease-duration", "60")]).await.is(409, "LeaseAlreadyPresent");
    // The same again: an acquisition whose answer was lost can be repeated.
    let same = [("x-ms-lease-duration", "60"), ("x-ms-proposed-lease-id", A)];
    end.lease(path, "acquire", &same).await.is(201, "");
    end.lease(path, "renew", &[("x-ms-lease-id", B)]).await.is(409, "LeaseIdMismatchWithLeaseOperation");
    end.lease(path, "release", &[("x-ms-lease-id", B)]).await.is(409, "LeaseIdMismatchWithLeaseOperation");
    let change = [("x-ms-lease-id", A), ("x-ms-proposed-lease-id", B)];
    assert_eq!(end.lease(path, "change", &change).await.is(200, "").header("x-ms-lease-id"), B);
    end.lease(path, "renew", &[("x-ms-lease-id", A)]).await.is(409, "LeaseIdMismatchWithLeaseOperation");
    end.lease(path, "release", &[("x-ms-lease-id", B)]).await.is(200, "");
    end.lease(path, "renew", &[("x-ms-lease-id", B)]).await.is(409, "LeaseIdMismatchWithLeaseOperation");
    end.lease(path, "break", &[]).await.is(409, "LeaseNotPresentWithLeaseOperation");
    end.lease(path, "change", &change).await.is(409, "LeaseNotPresentWithLeaseOperation");
    end.put(path, &[("x-ms-lease-id", B)], "x").await.is(412, "LeaseNotPresentWithBlobOperation");

    for seconds in ["14", "61", "0", "-2"] {
        let short = [("x-ms-lease-duration", seconds)];
        end.lease(path, "acquire", &short).await.is(400, "InvalidHeaderValue");
    }
    // Without end, until somebody breaks it.
    let endless = [("x-ms-lease-duration", "-1"), ("x-ms-proposed-lease-id", A)];
    end.lease(path, "acquire", &endless).await.is(201, "");
    assert_eq!(end.blob("HEAD", path, &[]).await.header("x-ms-lease-duration"), "infinite");
    let broken = end.lease(path, "break", &[("x-ms-lease-break-period", "30")]).await;
    let left: u32 = broken.is(202, "").header("x-ms-lease-time").parse().unwrap();
    assert!((29..=30).contains(&left), "{left}");
    assert_eq!(end.blob("HEAD", path, &[]).await.header("x-ms-lease-state"), "breaking");
    end.put(path, &[], "x").await.is(412, "LeaseIdMissing");
    end.lease(path, "acquire", &OTHER).await.is(409, "LeaseAlreadyPresent");
    end.lease(path, "renew", &[("x-ms-lease-id", A)]).await.is(409, "LeaseIsBrokenAndCannotBeRenewed");
    let at_once = end.lease(path, "break", &[("x-ms-lease-break-period", "0")]).await;
    assert_eq!(at_once.is(202, "").header("x-ms-lease-time"), "0");
    assert_eq!(end.blob("HEAD", path, &[]).await.header("x-ms-lease-state"), "broken");
    end.lease(path, "renew", &[("x-ms-lease-id", A)]).await.is(409, "LeaseIsBrokenAndCannotBeRenewed");
    end.lease(path, "acquire", &OTHER).await.is(201, "");
    end.lease("cycle/none", "acquire", &OTHER).await.is(404, "BlobNotFound");
}

pub async fn a_lease_runs_out_and_its_holder_has_it_back(end: &End) {
    let path = &*leased(end, "ends", A, "15").await;
    end.wait(15.5).await;
    let shown = end.blob("HEAD", path, &[]).await;
    assert_eq!(
        (shown.header("x-ms-lease-status"), shown.header("x-ms-lease-state")),
        ("unlocked", "expired")
    );
    end.put(path, &[("x-ms-lease-id", A)], "x").await.is(412, "LeaseNotPresentWithBlobOperation");
    // Nobody else took it or wrote in the meantime.
    end.lease(path, "renew", &[("x-ms-lease-id", A)]).await.is(200, "");
    end.lease(path, "acquire", &OTHER).await.is(409, "LeaseAlreadyPresent");
}

pub async fn a_lease_that_ran_out_is_somebody_elses(end: &End) {
    let (written, taken) = (&*leased(end, "written", A, "15").await, &*leased(end, "taken", A, "15").await);
    end.wait(15.5).await;
    end.put(written, &[], "somebody else's").await.is(201, "");
    end.lease(written, "renew", &[("x-ms-lease-id", A)]).await.is(409, "LeaseIdMismatchWithLeaseOperation");
    end.lease(written, "acquire", &OTHER).await.is(201, "");
    end.lease(taken, "acquire", &OTHER).await.is(201, "");
    end.lease(taken, "renew", &[("x-ms-lease-id", A)]).await.is(409, "LeaseIdMismatchWithLeaseOperation");
    end.put(taken, &[("x-ms-lease-id", A)], "x").await.is(412, "LeaseIdMismatchWithBlobOperation");
}
