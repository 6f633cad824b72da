//! Why an account is off.
//!
//! Law 4: an account is enabled exactly when it has no cause. Each cause is set and cleared only by its own event:
//! *billing* by WHMCS's suspend and unsuspend, *quota* by the balance and the plan, *admin* by staff.

use chrono::{DateTime, Utc};

/// The causes that hold, with the reasons given for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Causes {
    /// WHMCS suspended it.
    pub billing: bool,
    /// Its balance, or a quota of its plan, is used up.
    pub quota: bool,
    /// Staff blocked it.
    pub admin: bool,
    /// WHMCS's reason; may be empty.
    pub billing_reason: String,
    /// Staff's reason; may be empty.
    pub admin_reason: String,
    /// Since when that has been so.
    pub quota_at: Option<DateTime<Utc>>,
}

impl Causes {
    /// Whether the account is enabled.
    pub fn is_enabled(&self) -> bool {
        !(self.billing || self.quota || self.admin)
    }

    /// The wire names of those that hold.
    pub fn names(&self) -> Vec<&'static str> {
        let all = [(self.billing, "billing"), (self.quota, "quota"), (self.admin, "admin")];
        all.into_iter().filter_map(|(holds, name)| holds.then_some(name)).collect()
    }

    /// The one that the client page names: staff's decision before WHMCS's, and either before the balance, because
    /// paying for traffic would not lift them.
    pub fn foremost(&self) -> Option<&'static str> {
        let order = [(self.admin, "admin"), (self.billing, "billing"), (self.quota, "quota")];
        order.into_iter().find_map(|(holds, name)| holds.then_some(name))
    }
}
