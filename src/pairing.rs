//! The pairing code: one string that holds everything the bridge in WHMCS needs to call and to sign.
//!
//! `tp1_` and base64url of `{"url","key","secret"}`. It holds the secret: it is shown once, to the administrator, and
//! never logged.

use crate::config::{BridgeKey, Config};
use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

const PREFIX: &str = "tp1_";

/// A pairing code, taken apart.
#[derive(Clone, Debug)]
pub struct Pairing {
    /// Where to call: scheme, host, port.
    pub url: String,
    /// The key to sign with.
    pub key: BridgeKey,
    /// What the administrator should mind about the URL.
    pub hint: Option<String>,
}

/// The order of the members is the wire's.
#[derive(Serialize, Deserialize)]
struct Wire {
    url: String,
    key: String,
    secret: String,
}

impl Pairing {
    /// The pairing of this configuration, with its first key.
    ///
    /// # Errors
    /// There is no key.
    pub fn of(config: &Config) -> Result<Self> {
        let key = config.bridge.first().context("bridge.key is missing: run `turnpike init`.")?.clone();
        let (url, hint) = url(config);
        Ok(Self { url, key, hint })
    }

    /// The code, `tp1_…`. It holds the secret.
    pub fn code(&self) -> SecretString {
        let secret = self.key.secret.expose_secret().to_owned();
        let wire = Wire { url: self.url.clone(), key: self.key.id.clone(), secret };
        // Three texts always make JSON.
        let json = serde_json::to_vec(&wire).unwrap_or_default();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(json)).into()
    }

    /// Takes a code apart.
    ///
    /// # Errors
    /// It is not one.
    pub fn parse(code: &str) -> Result<Self> {
        let Some(body) = code.trim().strip_prefix(PREFIX) else { bail!("A pairing code begins with {PREFIX}.") };
        let wrong = "The pairing code is not complete; copy it whole.";
        let json = URL_SAFE_NO_PAD.decode(body).ok().context(wrong)?;
        let wire: Wire = serde_json::from_slice(&json).ok().context(wrong)?;
        Ok(Self { url: wire.url, key: BridgeKey { id: wire.key, secret: wire.secret.into() }, hint: None })
    }
}

fn url(config: &Config) -> (String, Option<String>) {
    if let Some(url) = &config.http.public_url {
        return (url.clone(), None);
    }
    let scheme = if config.http.tls.is_some() { "https" } else { "http" };
    let mut listen = config.http.listen;
    if !listen.ip().is_unspecified() {
        return (format!("{scheme}://{listen}"), None);
    }
    let hint = format!(
        "http.listen is {listen}, which nobody can call: the code says loopback, for a WHMCS on this machine. \
         For one elsewhere set http.public_url to the URL that it reaches Turnpike under, then run `turnpike pair`."
    );
    listen.set_ip(if listen.is_ipv4() {
        std::net::Ipv4Addr::LOCALHOST.into()
    } else {
        std::net::Ipv6Addr::LOCALHOST.into()
    });
    (format!("{scheme}://{listen}"), Some(hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const SECRET: &str = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MDE";

    fn config(http: &str) -> Config {
        let master = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
        let text = format!(
            "[http]\n{http}\n[seal]\nmaster_key = \"{master}\"\n[[bridge.key]]\nid = \"whmcs\"\nsecret = \"{SECRET}\"\n"
        );
        Config::from_text(&text, Path::new("/srv")).unwrap()
    }

    #[test]
    fn a_code_is_the_prefix_and_unpadded_base64url_of_three_members_in_order() {
        let code = Pairing::of(&config("")).unwrap().code();
        let body = code.expose_secret().strip_prefix("tp1_").unwrap();
        let json = String::from_utf8(URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap();
        assert_eq!(json, format!(r#"{{"url":"http://127.0.0.1:8780","key":"whmcs","secret":"{SECRET}"}}"#));
    }

    #[test]
    fn a_code_taken_apart_is_what_went_in_and_debug_does_not_say_it() {
        let code = Pairing::of(&config("public_url = \"https://vpn.example.net/\"")).unwrap().code();
        let pairing = Pairing::parse(&format!(" {}\n", code.expose_secret())).unwrap();
        assert_eq!((pairing.url.as_str(), pairing.key.id.as_str()), ("https://vpn.example.net", "whmcs"));
        assert_eq!(pairing.key.secret.expose_secret(), SECRET);
        assert!(!format!("{pairing:?}").contains(SECRET));
    }

    #[test]
    fn the_scheme_follows_tls_and_an_address_nobody_can_call_gets_a_hint() {
        let of = |http: &str| Pairing::of(&config(http)).unwrap();
        let tls = "tls_certificate = \"c.pem\"\ntls_key = \"k.pem\"\n";
        assert_eq!(of(&format!("{tls}listen = \"192.0.2.1:443\"")).url, "https://192.0.2.1:443");
        let any = of(&format!("{tls}listen = \"0.0.0.0:8780\""));
        assert_eq!(any.url, "https://127.0.0.1:8780");
        assert!(any.hint.unwrap().contains("http.public_url"));
        assert_eq!(of(&format!("{tls}listen = \"[::]:8780\"")).url, "https://[::1]:8780");
        assert_eq!(of("listen = \"[::1]:8780\"").hint, None);
    }

    #[test]
    fn half_a_code_is_refused() {
        let code = Pairing::of(&config("")).unwrap().code();
        let code = code.expose_secret();
        for wrong in ["", "tp1_", "tp2_abcd", &code[..code.len() - 9], &code[4..]] {
            assert!(Pairing::parse(wrong).is_err(), "{wrong:?} was taken");
        }
    }
}
