//! What goes wrong in a storm: Azure, the market, machines, messages, the scaler's own life, hands of operators.

use super::*;

impl Farm {
    pub(super) async fn trouble(&mut self) {
        match self.dice(100) {
            0..8 => {
                let nodes = [0, 1, 5, 20, 24, 30, 36, 40, 75][self.dice(9) as usize];
                self.want(nodes).await;
            }
            8..10 => {
                let wrong = ["1,000", "-3", "many", "5.0", "99999999999"][self.dice(5) as usize];
                self.log(&format!("the target is `{wrong}`"));
                self.yard.want(wrong).await;
            }
            10..24 => self.evictions(),
            24..34 => self.market(),
            34..42 => self.boots(),
            42..58 => self.messages().await,
            58..66 => {
                let per_mille = [0, 0, 10, 40, 100][self.dice(5) as usize];
                self.log(&format!("{per_mille} of 1000 calls go wrong"));
                self.weather().per_mille = per_mille;
            }
            66..70 => {
                let what =
                    ["/tags/default", "/virtualMachineScaleSets?", "virtualMachines?", ".queue.", ".blob."];
                let what = what[self.dice(5) as usize];
                let until = self.yard.now() + Duration::from_secs(u64::from(20 + self.dice(300)));
                self.log(&format!("{what} cannot be read until {}", until.strftime("%H:%M:%S")));
                self.weather().outages.push((what.to_owned(), until));
            }
            70..73 => {
                let lag = [0, 3, 9][self.dice(3) as usize];
                self.log(&format!("lists are {lag} s old"));
                self.yard.world().list_lag(lag);
            }
            73..92 => self.life(),
            _ => self.operator().await,
        }
    }

    fn evictions(&mut self) {
        let dice = self.dice(14);
        if dice == 0 {
            let gone = self.yard.world().wipe_out(LOCATION, SIZE, None).len();
            self.log(&format!("all {gone} {SIZE} are evicted"));
        } else {
            let gone = self.yard.world().evict_some(dice as usize % 6 + 1).len();
            self.log(&format!("{gone} are evicted"));
        }
    }

    fn market(&mut self) {
        let (size, zone) = [(SIZE, None), ("Standard_D16as_v5", Some("1"))][self.dice(2) as usize];
        match self.dice(6) {
            0 => {
                let walk = SpotWalk { least: 0, most: 60, step: 12, every_s: 45 };
                self.log(&format!("the capacity of {size} walks"));
                self.yard.world().spot_walk(LOCATION, size, zone, Some(walk));
            }
            1 => self.yard.world().spot_walk(LOCATION, size, zone, None),
            dice => {
                let room = [None, Some(0), Some(5), Some(20)][dice as usize - 2];
                self.log(&format!("{size} has room for {room:?}"));
                self.yard.world().spot_walk(LOCATION, size, zone, None);
                self.yard.world().spot_capacity(LOCATION, size, zone, room);
            }
        }
    }

    fn boots(&mut self) {
        let count = 1 + self.dice(6);
        match self.dice(6) {
            0 => self.yard.world().next_boots(None, count, Boot::Stuck),
            1 => self.yard.world().next_boots(None, count, Boot::Fails(100)),
            2 => self.yard.world().next_boots(None, count, Boot::Up(2400)),
            3 => {
                let percent = [10, 50, 100, 250][count as usize % 4];
                let boots =
                    Boots { percent, failures: 2_000, stuck: 2_000, stragglers: 2_000, ..Boots::default() };
                self.yard.world().boots(boots);
            }
            _ => {
                if let Some((set, one)) = self.some_machine() {
                    let id = format!("{}/providers/{}/{set}", self.yard.group, wire::SCALE_SET);
                    self.log(&format!("{} of {set} breaks", one.instance_id));
                    self.yard.world().break_instance(&id, &one.instance_id, count.is_multiple_of(2));
                }
                return;
            }
        }
        self.log(&format!("the next {count} machines boot badly"));
    }

    async fn messages(&mut self) {
        match self.dice(10) {
            0..4 => {
                if let Some((set, one)) = self.some_machine() {
                    self.ask(&set, &one, false).await;
                }
            }
            4 => {
                if let Some((set, one)) = self.some_machine() {
                    self.ask(&set, &one, true).await;
                }
            }
            5 | 6 if !self.sent.is_empty() => {
                let index = self.rng.random_range(0..self.sent.len());
                let again = self.sent[index].clone();
                self.message(again).await;
            }
            7 => {
                // Another machine has this number by now.
                if let Some((set, one)) = self.some_machine() {
                    let text = request::write(
                        "late",
                        &set,
                        &one.instance_id,
                        "00000000-0000-0000-0000-000000000001".parse().unwrap(),
                    );
                    self.message(text).await;
                }
            }
            8 => {
                // Good ones and bad ones of one set in one batch.
                if let Some((set, one)) = self.some_machine() {
                    self.message(format!("{set},424242")).await;
                    self.ask(&set, &one, false).await;
                    self.message(request::write(
                        "gone",
                        &set,
                        "777777",
                        "00000000-0000-0000-0000-000000000002".parse().unwrap(),
                    ))
                    .await;
                }
            }
            _ => {
                let text = ["{\"version\": 7}", "a,b,c", "vmss0,3", "", "null"][self.dice(5) as usize];
                self.message(text.to_owned()).await;
            }
        }
    }

    /// Processes die, stand still, begin.
    fn life(&mut self) {
        let now = self.yard.now();
        let dice = self.dice(12);
        if dice < 3 && self.processes.len() < 2 {
            return self.start();
        }
        if self.processes.is_empty() {
            return;
        }
        let index = self.rng.random_range(0..self.processes.len());
        match dice {
            3..7 => {
                let (calls, after) = (1 + u64::from(self.dice(14)), self.dice(2) == 1);
                let cut = if after { Cut::After } else { Cut::Before };
                self.processes[index].handle.cut_in(calls, cut);
                let name = self.processes[index].name.clone();
                self.rest_until = now + Duration::from_secs(u64::from(self.dice(90)));
                self.log(&format!("{name} dies in {calls} calls ({cut:?})"));
            }
            7..10 => {
                let seconds = [10, 30, 50, 70, 150][self.dice(5) as usize];
                self.processes[index].handle.pause(now + Duration::from_secs(seconds));
                let name = self.processes[index].name.clone();
                self.log(&format!("{name} stands still for {seconds} s"));
            }
            _ => {
                let _ = self.processes[index].control.try_send(Control::Stop);
                let name = self.processes[index].name.clone();
                self.log(&format!("{name} is told to stop"));
            }
        }
    }

    /// What people do by hand.
    async fn operator(&mut self) {
        let Some(set) = self.some_set() else { return };
        let now = self.yard.now();
        let soon = now + Duration::from_mins(3);
        match self.dice(3) {
            0 => {
                let to = self.dice(set.capacity + 4);
                self.log(&format!("by hand: {} gets the capacity {to}", set.id));
                self.judge().blames(soon, to.saturating_sub(set.capacity));
                let body = json!({"sku": {"name": set.size, "tier": "Standard", "capacity": to}});
                let _ = self
                    .yard
                    .client
                    .send(&Request::patch(&set.id, body).api_version(wire::COMPUTE_API))
                    .await;
            }
            1 => {
                self.log(&format!("by hand: {} is deleted", set.id));
                let _ = self.yard.client.send(&Request::delete(&set.id).api_version(wire::COMPUTE_API)).await;
            }
            _ => {
                self.log(&format!("by hand: the tags of {} go", set.id));
                self.judge().disowns(now, &set.id);
                self.judge().blames(soon, set.machines);
                let body = json!({"tags": {}});
                let _ = self
                    .yard
                    .client
                    .send(&Request::patch(&set.id, body).api_version(wire::COMPUTE_API))
                    .await;
            }
        }
    }
}
