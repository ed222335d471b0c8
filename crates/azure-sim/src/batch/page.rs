//! Lists as OData pages: `$filter`, `$select`, `maxresults`, `odata.nextLink`.

use serde_json::{Value, json};

use super::data::{Answer, Call, odata};
use crate::filter::Filter;
use crate::world::World;

impl Call<'_> {
    fn bad_query(
        &self,
        world: &mut World,
        name: &str,
        value: &str,
        reason: &str,
    ) -> crate::wire::SimResponse {
        let message = "Value for one of the query parameters specified in the request URI is invalid.";
        let values = [("QueryParameterName", name), ("QueryParameterValue", value), ("Reason", reason)];
        self.error(world, 400, "InvalidQueryParameterValue", message, &values)
    }

    /// A whole number in the query from 1 to the most that a page may have.
    fn size(&self, world: &mut World, most: usize) -> Result<usize, crate::wire::SimResponse> {
        let Some(text) = self.request.query("maxresults") else { return Ok(most) };
        match text.parse::<usize>() {
            Ok(size) if (1..=most).contains(&size) => Ok(size),
            _ => {
                let text = text.to_owned();
                let reason = format!("The value must be between 1 and {most}.");
                Err(self.bad_query(world, "maxresults", &text, &reason))
            }
        }
    }

    /// The request's `$filter`.
    pub(super) fn filter(&self, world: &mut World) -> Result<Filter, crate::wire::SimResponse> {
        let text = self.request.query("$filter").unwrap_or_default().to_owned();
        Filter::parse(&text).map_err(|wrong| self.bad_query(world, "$filter", &text, &wrong))
    }

    /// A page of the items that pass `$filter`, cut to `$select`.
    pub(super) fn page(&self, world: &mut World, what: &str, items: Vec<Value>, most: usize) -> Answer {
        let filter = self.filter(world)?;
        let size = self.size(world, most)?;
        let skip = self.request.query("$skiptoken").and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
        let admitted: Vec<Value> =
            items.into_iter().filter(|item| filter.admits(&|name| text_field(item, name))).collect();
        let total = admitted.len();
        let value: Vec<Value> =
            admitted.into_iter().skip(skip).take(size).map(|item| self.selected(item)).collect();
        let mut body = json!({
            "odata.metadata": format!("https://{}/$metadata#{what}", self.host),
            "value": value,
        });
        if skip + size < total {
            body["odata.nextLink"] = json!(self.next_link(skip + size));
        }
        Ok(odata(200, &body))
    }

    /// One thing, cut to `$select`.
    pub(super) fn element(&self, what: &str, item: Value) -> crate::wire::SimResponse {
        let mut body = json!({"odata.metadata": format!("https://{}/$metadata#{what}/@Element", self.host)});
        for (name, value) in self.selected(item).as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        odata(200, &body)
    }

    fn next_link(&self, skip: usize) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("$skiptoken", &skip.to_string());
        for name in ["api-version", "$filter", "$select", "maxresults", "recursive"] {
            if let Some(value) = self.request.query(name) {
                query.append_pair(name, value);
            }
        }
        format!("https://{}{}?{}", self.host, self.request.path, query.finish())
    }

    fn selected(&self, item: Value) -> Value {
        match (self.request.query("$select"), item) {
            (Some(select), Value::Object(mut members)) => {
                let names: Vec<&str> = select.split(',').map(str::trim).collect();
                members.retain(|name, _| names.contains(&name.as_str()));
                Value::Object(members)
            }
            (_, item) => item,
        }
    }
}

fn text_field(item: &Value, name: &str) -> Option<String> {
    let pointer = format!("/{name}");
    match item.pointer(&pointer)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
