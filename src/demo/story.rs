//! The story: what a customer, WHMCS, a router and Turnpike do from 21 September to 20 November 2026. Every claim that it
//! makes is looked up and compared; one that does not hold ends it.

mod slowed;
mod trouble;

use super::{
    customers::{self, Customer, THRESHOLD_GB, packet},
    figures::{MB, date, gb, gb_of, grouped, speed},
    plans,
    stage::{FOREIGN, ROUTER, Stage, opening},
    teller::{self, Teller},
};
use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Duration, Months, NaiveDate, NaiveTime, Utc};
use serde_json::Value;

/// Those who play.
pub struct Cast {
    /// What they play on.
    pub stage: Stage,
    /// Metered.
    pub ada: Customer,
    /// Unmetered, on the same router.
    pub charles: Customer,
}

/// What had been carried when a span of days began.
struct Mark {
    carried: [u64; 2],
}

/// Plays it all.
pub async fn play(stage: Stage, teller: &mut Teller) -> Result<Cast> {
    let due = opening().date_naive() + Months::new(1);
    let mut cast = Cast { stage, ada: customers::ada(due), charles: customers::charles(due) };
    introduce();
    connect(&cast, teller).await?;
    plans::offer(&cast.stage).await?;
    sell(&mut cast, teller).await?;
    weeks(&mut cast, teller).await?;
    run_dry(&mut cast, teller).await?;
    renew(&mut cast, teller).await?;
    trouble::play(&mut cast, teller).await?;
    settle_up(&cast, teller).await?;
    Ok(cast)
}

fn introduce() {
    teller::plain("Turnpike demo: two months of a VPN customer's life, 21 September to 20 November 2026.");
    teller::plain(
        "The router is simulated and the clock is the story's; the service, its books and its mails are real.",
    );
    teller::plain(
        "WHMCS's part is played by signed calls through the front door; the signature of every answer is checked.",
    );
}

async fn connect(cast: &Cast, teller: &mut Teller) -> Result<()> {
    let stage = &cast.stage;
    teller.step(stage.clock.now(), &format!("WHMCS tests the connection to router {ROUTER}"));
    let answer = stage.router_hook("test-connection").await?;
    ensure!(answer.status == 200, "the router cannot be reached: {}", answer.detail());
    let router = &answer.body["router"];
    let text = |name: &str| router[name].as_str().unwrap_or_default().to_owned();
    teller.line(&format!(
        "It answers: {} with RouterOS {}, named {}.",
        text("board"),
        text("version"),
        text("identity")
    ));
    let accounts = stage.router_hook("list-accounts").await?;
    let foreign = accounts.body["accounts"]
        .as_array()
        .map_or(0, |list| list.iter().filter(|it| it["service_id"].is_null() && it["username"] == FOREIGN).count());
    ensure!(foreign == 1, "the account {FOREIGN} is not seen on the router");
    teller.line(&format!("It holds an account made by hand, {FOREIGN}. It is not ours, so it will be left alone."));
    Ok(())
}

async fn sell(cast: &mut Cast, teller: &mut Teller) -> Result<()> {
    let stage = &cast.stage;
    for customer in [&mut cast.ada, &mut cast.charles] {
        let bought = match packet(customer) {
            Some(packet) => format!("{} a month", gb_of(packet)),
            None => "unmetered".to_owned(),
        };
        let title = format!("{} orders: {bought}", customer.name);
        teller.step(stage.clock.now(), &title);
        let account = stage.create(customer).await?;
        let again = stage.create(customer).await?;
        ensure!(account == again, "creating {}'s account twice made two things", customer.first);
        let [down, up] = ["download_kbps", "upload_kbps"].map(|name| speed(account[name].as_u64().unwrap_or_default()));
        teller.line(&format!(
            "Account {} made on {ROUTER}: address {}, {down} down, {up} up{}.",
            customer.username,
            customer.address,
            account["balance_bytes"].as_i64().map_or_else(String::new, |it| format!(", balance {}", gb(it))),
        ));
        stage.dial(customer).map_err(|why| anyhow::anyhow!("{} cannot dial in: {why}", customer.first))?;
        teller.line(&format!(
            "WHMCS sends the order twice: still one account and one packet. {} dials in.",
            customer.first
        ));
        stage.pass(Duration::minutes(1));
    }
    Ok(())
}

/// Three weeks of daily traffic; WHMCS's `UsageUpdate` collects every night.
async fn weeks(cast: &mut Cast, teller: &mut Teller) -> Result<()> {
    for (week, last) in ["One week", "Two weeks", "Three weeks"].into_iter().zip([27_u32, 4, 11]) {
        let month = if last == 27 { 9 } else { 10 };
        let mark = cast.mark();
        cast.live_through(day(month, last)?, teller).await?;
        teller.step(cast.stage.clock.now(), &format!("{week} on: UsageUpdate has run every night"));
        cast.tell_span(&mark, teller).await?;
    }
    Ok(())
}

/// The threshold letter, then the evening on which the balance is used up.
async fn run_dry(cast: &mut Cast, teller: &mut Teller) -> Result<()> {
    let before = cast.stage.letters()?.len();
    ensure!(before == 0, "a mail left before the balance was low");
    cast.live_through(day(10, 17)?, teller).await?;
    ensure!(cast.stage.letters()?.len() == 1, "the balance is low and the threshold mail did not leave once");
    cast.stage.pass_until(at(day(10, 18)?, 19, 0)?);
    teller.step(cast.stage.clock.now(), "Ada watches films all evening");
    let stage = &cast.stage;
    let balance = loop {
        stage.router.carry(&cast.ada.username, 70 * MB, 2 * MB);
        stage.router.carry(&cast.charles.username, 9 * MB, MB);
        stage.pass(Duration::minutes(2));
        stage.jobs().await?;
        let account = stage.account(&cast.ada).await?;
        let balance = account["balance_bytes"].as_i64().context("Ada has no balance")?;
        if balance <= 0 {
            ensure!(
                account["causes"] == serde_json::json!(["quota"]),
                "the balance is used up and the account is not blocked"
            );
            break balance;
        }
        ensure!(stage.clock.now() < at(day(10, 19)?, 2, 0)?, "the balance never ran out: {} are left", gb(balance));
    };
    ensure!(!stage.router.is_online(&cast.ada.username), "Ada is blocked and her session goes on");
    let refused = stage.dial(&cast.ada).err().context("Ada is blocked and can dial in")?;
    let now = stage.clock.now().format("%H:%M");
    teller.good(&format!(
        "{now}: the balance is used up ({}). The account is blocked and the session ended.",
        gb(balance)
    ));
    teller.line(&format!("She dials in again and the router refuses: {refused}."));
    cast.tell_letter(2, "Suspension Information", teller)?;
    ensure!(cast.stage.router.is_online(&cast.charles.username), "Charles lost his session by Ada's block");
    teller.line("Charles, on the same router, notices nothing.");
    Ok(())
}

async fn renew(cast: &mut Cast, teller: &mut Teller) -> Result<()> {
    cast.stage.pass_until(at(day(10, 19)?, 9, 30)?);
    cast.ada.due = cast.ada.due + Months::new(1);
    let stage = &cast.stage;
    let before = stage.balance(&cast.ada).await?;
    teller.step(stage.clock.now(), &format!("Ada pays the invoice for {}", date(cast.ada.due - Months::new(1))));
    let account = stage.done("renew", &cast.ada).await?["account"].clone();
    ensure!(account["enabled"] == true && account["pending"] == 0, "paid, but still blocked");
    let after = account["balance_bytes"].as_i64().context("Ada has no balance")?;
    let granted = packet(&cast.ada).unwrap_or_default();
    ensure!(Some(after) == before.checked_add_unsigned(granted), "the renewal granted something else than the packet");
    teller.good(&format!(
        "Free at once, without waiting for any cron: {} + {} = {}.",
        gb(before),
        gb_of(granted),
        gb(after)
    ));
    stage.dial(&cast.ada).map_err(|why| anyhow::anyhow!("Ada has paid and cannot dial in: {why}"))?;
    let again = stage.done("renew", &cast.ada).await?["account"].clone();
    ensure!(again == account, "a renewal that was sent twice granted twice");
    teller.line(&format!("WHMCS repeats the renewal: the balance stays {}. Ada is online again.", gb(after)));
    cast.ada.habit = 1_580 * MB;
    cast.charles.due = cast.charles.due + Months::new(1);
    cast.stage.done("renew", &cast.charles).await?;
    teller.line("Charles has paid too; his package is unmetered, so nothing is granted.");
    Ok(())
}

async fn settle_up(cast: &Cast, teller: &mut Teller) -> Result<()> {
    let stage = &cast.stage;
    teller.step(stage.clock.now(), "Two months on: what did the router carry, and what did Turnpike book?");
    for customer in [&cast.ada, &cast.charles] {
        let sum = stage.compare(customer).await?;
        let name = format!("{}:", customer.name);
        teller.good(&format!(
            "{name:<17} carried {} bytes, booked {} bytes ({}).",
            grouped(sum),
            grouped(sum),
            gb_of(sum)
        ));
    }
    let (balance, sum) = (stage.balance(&cast.ada).await?, stage.compare(&cast.ada).await?);
    let granted = 2 * packet(&customers::ada(cast.ada.due)).unwrap_or_default();
    ensure!(
        0_i64.checked_add_unsigned(granted).and_then(|it| it.checked_sub_unsigned(sum)) == Some(balance),
        "Ada's balance is not what was granted less what was carried"
    );
    teller.line(&format!("Ada's balance: {} granted - {} carried = {}.", gb_of(granted), gb_of(sum), gb(balance)));
    let letters = stage.letters()?;
    ensure!(
        letters.len() == 2 && letters.iter().all(|it| it.to.contains(cast.ada.email)),
        "not just Ada's two mails left"
    );
    teller.line(&format!("Mails: {}, each once. Charles got none and was never blocked.", letters.len()));
    let foreign = stage.foreign();
    ensure!(foreign == untouched(), "the account {FOREIGN} was touched: {foreign:?}");
    teller.line(&format!("The account {FOREIGN} is as it was. {} signed calls, every answer verified.", stage.calls()));
    Ok(())
}

/// The foreign account as it was set there.
fn untouched() -> [Option<String>; 5] {
    ["alarm line, do not touch", "false", "by-hand", "2000000/2000000", "0/0"].map(|text| Some(text.to_owned()))
}

impl Cast {
    /// Both customers' traffic from now to the last of the days, that day included; what happens on the way is told.
    async fn live_through(&self, last: NaiveDate, teller: &mut Teller) -> Result<()> {
        let mut today = self.stage.clock.now().date_naive();
        while today <= last {
            self.live(today, teller).await?;
            today = today.succ_opt().context("time ends")?;
        }
        Ok(())
    }

    /// A day: a fifth of the traffic until half past noon, three tenths until half past six, the rest until ten to midnight,
    /// and five minutes after it `UsageUpdate`.
    async fn live(&self, today: NaiveDate, teller: &mut Teller) -> Result<()> {
        self.morning(today, teller).await?;
        self.part(today, at(today, 18, 30)?, 30, teller).await?;
        self.part(today, at(today, 23, 50)?, 50, teller).await?;
        self.stage.pass_until(at(today.succ_opt().context("time ends")?, 0, 5)?);
        self.collect().await
    }

    async fn morning(&self, today: NaiveDate, teller: &mut Teller) -> Result<()> {
        self.part(today, at(today, 12, 30)?, 20, teller).await
    }

    /// So many percent of the day's traffic until then, unless that is past.
    async fn part(&self, today: NaiveDate, then: DateTime<Utc>, percent: u64, teller: &mut Teller) -> Result<()> {
        let stage = &self.stage;
        if then <= stage.clock.now() {
            return Ok(());
        }
        for customer in [&self.ada, &self.charles] {
            let (down, up) = customer.day(today);
            stage.router.carry(&customer.username, down / 100 * percent, up / 100 * percent);
        }
        let before = stage.letters()?.len();
        stage.pass_until(then);
        stage.jobs().await?;
        if stage.letters()?.len() > before {
            let balance = stage.balance(&self.ada).await?;
            teller.step(then, &format!("Ada's balance falls below {THRESHOLD_GB} GB: {}", gb(balance)));
            self.tell_letter(before + 1, "Traffic less than", teller)?;
            teller.line("It goes out once for this packet, however often the balance is looked at.");
        }
        Ok(())
    }

    /// WHMCS's nightly `UsageUpdate`, and the jobs that follow.
    async fn collect(&self) -> Result<()> {
        let answer = self.stage.router_hook("usage-update").await?;
        ensure!(answer.status == 200, "UsageUpdate was refused: {}", answer.detail());
        ensure!(answer.body["collected"] == 2, "UsageUpdate did not collect both accounts: {}", answer.body["skipped"]);
        self.stage.jobs().await
    }

    fn mark(&self) -> Mark {
        Mark { carried: self.carried() }
    }

    fn carried(&self) -> [u64; 2] {
        [&self.ada, &self.charles].map(|it| {
            let (down, up) = self.stage.router.carried(&it.username);
            down + up
        })
    }

    /// What was carried and booked since, one line a customer.
    async fn tell_span(&self, mark: &Mark, teller: &mut Teller) -> Result<()> {
        for (at, customer) in [&self.ada, &self.charles].into_iter().enumerate() {
            self.stage.compare(customer).await?;
            let moved = gb_of(self.carried()[at] - mark.carried[at]);
            let account: Value = self.stage.account(customer).await?;
            let balance = account["balance_bytes"]
                .as_i64()
                .map_or_else(|| "unmetered".to_owned(), |it| format!("balance {}", gb(it)));
            let name = format!("{}:", customer.first);
            teller.line(&format!("{name:<8} {moved:>8} carried and booked, {balance}."));
        }
        Ok(())
    }

    /// The letter of that number, whose subject must begin so.
    fn tell_letter(&self, number: usize, subject: &str, teller: &mut Teller) -> Result<()> {
        let letters = self.stage.letters()?;
        ensure!(letters.len() == number, "{} mails have left, and not {number}", letters.len());
        let letter = letters.last().context("no mail has left")?;
        ensure!(letter.subject.starts_with(subject), "the mail is another one: {}", letter.subject);
        teller.good(&format!("Mail to {}: \"{}\".", self.ada.email, letter.subject));
        Ok(())
    }
}

/// A day of 2026.
fn day(month: u32, day: u32) -> Result<NaiveDate> {
    NaiveDate::from_ymd_opt(2026, month, day).context("no such day")
}

fn at(day: NaiveDate, hour: u32, minute: u32) -> Result<DateTime<Utc>> {
    let time = NaiveTime::from_hms_opt(hour, minute, 0).context("no such time")?;
    Ok(day.and_time(time).and_utc())
}
