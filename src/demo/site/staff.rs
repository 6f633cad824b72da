//! The addon's pages, as WHMCS's staff see them: asked for through the signed front door, as the addon does. Forms count
//! only with this run's token; what a change came to is said once, on the page that it leads to.

use super::{Reply, Shown, lock};
use actix_web::http::StatusCode;
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use url::form_urlencoded;

/// Where the pages are.
const LINK: &str = "/staff";

impl Shown {
    /// A page is looked at.
    pub(super) async fn staff(&self, query: &str) -> Result<Reply> {
        let said = lock(&self.said).take();
        self.staff_page("GET", query, &BTreeMap::new(), said).await
    }

    /// A form of a page is sent.
    pub(super) async fn staff_form(&self, query: &str, body: &[u8]) -> Result<Reply> {
        let form: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        if !self.is_ours(form.get("token").map(String::as_str).unwrap_or_default()) {
            let why = "This form is from another run of the demo; load the page again.";
            return Ok(Reply::Refused(StatusCode::FORBIDDEN, why));
        }
        let _turn = self.turn.lock().await;
        let reply = self.staff_page("POST", query, &form, None).await?;
        self.stage.jobs().await?;
        Ok(reply)
    }

    async fn staff_page(
        &self,
        method: &str,
        query: &str,
        form: &BTreeMap<String, String>,
        said: Option<Value>,
    ) -> Result<Reply> {
        let query: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let name = query.get("page").map(String::as_str).filter(|name| is_name(name)).unwrap_or("overview");
        let body = json!({
            "admin": {"name": "you", "can_edit": true, "language": "english"},
            "link": LINK, "token": {"token": self.token}, "method": method, "query": query, "form": form, "flash": said,
        });
        let answer = self.stage.ask(&format!("/v1/admin/{name}"), &body).await?;
        if answer.status != 200 {
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
            return Ok(Reply::Broken(status, answer.detail().to_owned()));
        }
        if let Some(location) = answer.body["location"].as_str() {
            *lock(&self.said) = Some(answer.body["flash"].clone()).filter(|it| !it.is_null());
            return Ok(Reply::See(location.to_owned()));
        }
        let own = json!({"title": answer.body["title"], "html": answer.body["html"]});
        Ok(Reply::Page(self.page("staff.html", LINK, own)?))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 32 && text.bytes().all(|b| b.is_ascii_lowercase())
}
