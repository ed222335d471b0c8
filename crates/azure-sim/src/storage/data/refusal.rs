//! How the storage services say no: an XML body, and its code in a header too.

use jiff::Timestamp;

use super::xml;
use crate::wire::SimResponse;

/// Status, code and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    code: &'static str,
    message: &'static str,
    details: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
}

/// A refusal that is always the same.
pub(super) type Fixed = (u16, &'static str, &'static str);

impl From<Fixed> for Refusal {
    fn from((status, code, message): Fixed) -> Self {
        Self { status, code, message, details: Vec::new(), headers: Vec::new() }
    }
}

impl Refusal {
    pub(super) fn with_detail(mut self, name: &'static str, value: &str) -> Self {
        self.details.push((name, value.to_owned()));
        self
    }

    pub(super) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The answer. One to HEAD, and 304, have no body.
    pub(super) fn render(&self, request_id: &str, now: Timestamp, bare: bool) -> SimResponse {
        let mut response = SimResponse::empty(self.status)
            .with_header("x-ms-error-code", self.code)
            .with_header("x-ms-request-id", request_id);
        for (name, value) in &self.headers {
            response.set_header(name, value);
        }
        if bare || self.status == 304 {
            return response;
        }
        let message = format!("{}\nRequestId:{request_id}\nTime:{now}", self.message);
        let details: String = self.details.iter().map(|(name, value)| xml::element(name, value)).collect();
        let inner =
            format!("{}{}{details}", xml::element("Code", self.code), xml::element("Message", &message));
        response.set_header("content-type", "application/xml");
        response.body = xml::document(&format!("<Error>{inner}</Error>"));
        response
    }
}

pub(super) const NAME_LENGTH: Fixed =
    (400, "OutOfRangeInput", "The specified resource name length is not within the permissible limits.");
pub(super) const NAME_CHARACTERS: Fixed =
    (400, "InvalidResourceName", "The specifed resource name contains invalid characters.");
pub(super) const NO_SUCH_METHOD: Fixed =
    (405, "UnsupportedHttpVerb", "The resource doesn't support specified Http Verb.");
pub(super) const BAD_XML: Fixed = (400, "InvalidXmlDocument", "XML specified is not syntactically valid.");
pub(super) const BAD_HEADER: Fixed =
    (400, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format.");
pub(super) const MISSING_HEADER: Fixed =
    (400, "MissingRequiredHeader", "An HTTP header that's mandatory for this request is not specified.");
pub(super) const NO_QUEUE: Fixed = (404, "QueueNotFound", "The specified queue does not exist.");
pub(super) const NO_MESSAGE: Fixed = (404, "MessageNotFound", "The specified message does not exist.");
pub(super) const WRONG_RECEIPT: Fixed = (
    400,
    "PopReceiptMismatch",
    "The specified pop receipt did not match the pop receipt for a dequeued message.",
);
pub(super) const NO_CONTAINER: Fixed = (404, "ContainerNotFound", "The specified container does not exist.");
pub(super) const NO_BLOB: Fixed = (404, "BlobNotFound", "The specified blob does not exist.");
pub(super) const BLOB_EXISTS: Fixed = (409, "BlobAlreadyExists", "The specified blob already exists.");
pub(super) const CONDITION: Fixed =
    (412, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met.");
pub(super) const NOT_MODIFIED: Fixed = (304, CONDITION.1, CONDITION.2);
pub(super) const RANGE: Fixed =
    (416, "InvalidRange", "The range specified is invalid for the current size of the resource.");
pub(super) const BLOCKS: Fixed = (400, "InvalidBlockList", "The specified block list is invalid.");

/// 400 about a parameter that cannot be read.
pub(super) fn bad_query(name: &str) -> Refusal {
    let fixed: Fixed = (
        400,
        "InvalidQueryParameterValue",
        "Value for one of the query parameters specified in the request URI is invalid.",
    );
    Refusal::from(fixed).with_detail("QueryParameterName", name)
}

/// 400 about a number that is too small or too large.
pub(super) fn out_of_range(name: &str, value: i64, least: i64, most: i64) -> Refusal {
    let fixed: Fixed = (
        400,
        "OutOfRangeQueryParameterValue",
        "One of the query parameters specified in the request URI is outside the permissible range.",
    );
    Refusal::from(fixed)
        .with_detail("QueryParameterName", name)
        .with_detail("QueryParameterValue", &value.to_string())
        .with_detail("MinimumAllowed", &least.to_string())
        .with_detail("MaximumAllowed", &most.to_string())
}

/// 400 about a parameter that is not there.
pub(super) fn missing_query(name: &str) -> Refusal {
    let fixed: Fixed = (
        400,
        "MissingRequiredQueryParameter",
        "A query parameter that's mandatory for this request is not specified.",
    );
    Refusal::from(fixed).with_detail("QueryParameterName", name)
}
