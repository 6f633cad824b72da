//! What is for sale in the demo, so that the pages about plans have something to show.

use super::stage::Stage;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use turnpike::{
    catalogue::cdn::{self, Profile},
    in_tx,
};

/// The plan that Charles is on.
pub const CHARLES: &str = "Home 20";

/// Each as a form would say it. Charles once uses enough to be slowed.
fn all() -> [Value; 3] {
    [
        json!({
            "name": CHARLES, "commercial_name": "At home, 20 Mbit/s", "price": "14.90", "day_price": "0.50",
            "reset_price": "2", "download_speed": "20M", "upload_speed": "20M", "sort_order": 1,
            "fup1_threshold": "20 GB", "fup1_download_speed": "8M", "fup1_upload_speed": "8M",
            "fup2_threshold": "40 GB", "fup2_download_speed": "4M", "fup2_upload_speed": "4M",
            "monthly_fup1_threshold": "200 GB", "monthly_fup1_download_speed": "10M", "monthly_fup1_upload_speed": "10M",
            "monthly_fup2_threshold": "400 GB", "monthly_fup2_download_speed": "2M", "monthly_fup2_upload_speed": "2M",
        }),
        json!({
            "name": "Night 10", "commercial_name": "Free by night", "price": "9.90", "download_speed": "10M",
            "upload_speed": "2M", "burst_download": "20M", "burst_upload": "4M", "soft_fup_enabled": true,
            "monthly_quota": "250 GB", "time_based_speed_enabled": true, "time_from": "00:00", "time_to": "06:00",
            "download_ratio": 100, "upload_ratio": 100, "sort_order": 2,
            "monthly_fup1_threshold": "80 GB", "monthly_fup1_download_speed": "4M", "monthly_fup1_upload_speed": "1M",
            "monthly_fup2_threshold": "160 GB", "monthly_fup2_download_speed": "1M", "monthly_fup2_upload_speed": "512k",
        }),
        json!({
            "name": "Unlimited 100", "price": "39", "download_speed": "100M", "upload_speed": "100M", "sort_order": 3,
        }),
    ]
}

/// Puts them up for sale, with a CDN profile for the form to offer and a rule that makes the weekends faster.
pub async fn offer(stage: &Stage) -> Result<()> {
    for plan in all() {
        let made = stage.ask("/v1/plans", &plan).await?;
        ensure!(made.status == 201, "a plan cannot be made: {}", made.detail());
    }
    let profile = Profile::parse("Video and mirrors", "192.0.2.0/25, 203.0.113.128/25")?;
    let now = stage.clock.now();
    in_tx!(stage.app.db, tx => cdn::add(&mut tx, &profile, now).await)?;
    let rule = json!({
        "name": "Weekend nights", "days": ["fri", "sat"], "time_from": "22:00", "time_to": "02:00",
        "download_percent": 150, "upload_percent": 150,
    });
    let made = stage.ask("/v1/bandwidth-rules", &rule).await?;
    ensure!(made.status == 201, "a bandwidth rule cannot be made: {}", made.detail());
    Ok(())
}
