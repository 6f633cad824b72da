//! later
use super::Where;
pub async fn run(_: &Where, _: bool) -> anyhow::Result<()> {
    Ok(())
}
