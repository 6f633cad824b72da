//! Logging in, as RouterOS does it since 6.43: name and password in one sentence, in plain text.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::faults::{Fault, Moment};
use super::link::{Link, Login};
use super::schema::Version;
use super::server::lock;
use super::values::Trap;
use super::wire::Request;

impl Link {
    pub(super) async fn log_in(&self, request: &Request) {
        let mut fault = None;
        for struck in self.inner.strike(Moment::Login) {
            match struck {
                Fault::Call(hook) | Fault::CallAfter(hook) => self.call(&hook),
                Fault::Slow(time) => tokio::time::sleep(time).await,
                other => fault = Some(other),
            }
        }
        if self.before(fault.as_ref()).await {
            return;
        }
        let mut replies = self.replies(request.tag.as_ref());
        let old = lock(&self.inner.world).version < Version(6, 43, 0);
        let challenged = matches!(fault, Some(Fault::OldChallenge)) || (old && request.attribute("response").is_none());
        if challenged {
            replies.say("!done", [("ret", "93b438ec9b80057c06dd9fe67d56aa9a")]);
        } else {
            match self.admit(request) {
                Ok(login) => {
                    let earlier = lock(&self.login).replace(login);
                    if let Some(earlier) = earlier {
                        lock(&self.inner.world).remove_row("/user/active", &earlier.active);
                    }
                }
                Err(trap) => replies.trap(trap.category, &trap.message),
            }
            replies.say("!done", []);
        }
        self.answer(fault, replies).await;
    }

    fn admit(&self, request: &Request) -> Result<Login, Trap> {
        let refused = || Trap::plain("invalid user name or password (6)");
        let text = |name| request.attribute(name).unwrap_or_default();
        let again = self.is_logged_in();
        let mut world = lock(&self.inner.world);
        if request.attribute("response").is_some() {
            // The MD5 answer to a challenge (before 6.43) is not checked by the simulator, and so never right.
            return Err(Trap::plain("cannot log in"));
        }
        let user = world.table("/user").named(text("name")).ok_or_else(refused)?;
        if user.is("disabled") || user.get("password").unwrap_or_default() != text("password") {
            return Err(refused());
        }
        let group = user.get("group").unwrap_or_default().to_owned();
        let policy = world.table("/user/group").named(&group).and_then(|row| row.get("policy")).unwrap_or_default();
        let policies: Arc<[String]> =
            policy.split(',').filter(|name| !name.starts_with('!')).map(str::to_owned).collect();
        if !policies.iter().any(|policy| policy == "api") {
            return Err(refused());
        }
        let service = if self.inner.options.tls.is_some() { "api-ssl" } else { "api" };
        let most = world.get("/ip/service", service, "max-sessions").and_then(|text| text.parse().ok());
        let sessions = world.table("/user/active").rows().len() - usize::from(again);
        if most.is_some_and(|most: usize| sessions >= most) {
            // The words of a real router are not documented.
            return Err(Trap::plain("failure: too many sessions"));
        }
        let (when, address, name) = (world.timestamp(), self.peer.ip().to_string(), text("name").to_owned());
        let active = world.table_mut("/user/active").add([
            ("when", when),
            ("name", name),
            ("address", address),
            ("via", service.to_owned()),
            ("group", group),
            ("radius", "false".to_owned()),
        ]);
        let active = active.id();
        let sessions = world.table("/user/active").rows().len();
        self.inner.most_sessions.fetch_max(sessions, Ordering::Relaxed);
        self.inner.logins.fetch_add(1, Ordering::Relaxed);
        Ok(Login { policies, active })
    }
}
