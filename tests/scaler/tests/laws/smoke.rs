//! The shortest way through everything, to see it break first.

use std::time::Duration;

use scaler_yard::yard::Yard;
use vmss_scaler::scaler::Standing;
use vmss_scaler::template::Mode;

#[tokio::test(start_paused = true)]
async fn up_evicted_restored_by_message_and_down() {
    for mode in [Mode::Flexible, Mode::Uniform] {
        let yard = Yard::new(1).await;
        let mut file = yard.file();
        file.pools[0].orchestration = mode;
        let pool = yard.pools(&file).remove(0);
        let queue = yard.queue(&pool);
        let mut scaler = yard.scaler(pool, "one").await;
        yard.want("30").await;
        let hour = Duration::from_hours(1);
        let pass = yard
            .run(&mut scaler, hour, |pass| {
                eprintln!(
                    "{:?} {:?} {:?}",
                    pass.decision.as_ref().map(|d| (
                        d.target,
                        d.nodes,
                        d.pledged,
                        d.actions.len(),
                        d.notes.clone()
                    )),
                    pass.troubles,
                    pass.done.iter().map(|d| (d.outcome, d.words.clone())).collect::<Vec<_>>()
                );
                pass.settled()
            })
            .await;
        assert!(pass.is_some(), "{mode:?}: 30 nodes");
        assert_eq!(yard.nodes(), 30);
        assert_eq!(yard.world().evict_some(7).len(), 7);
        yard.wait(Duration::from_secs(40)).await;
        assert_eq!(yard.nodes(), 23);
        yard.run(&mut scaler, hour, vmss_scaler::Pass::settled).await.unwrap();
        assert_eq!(yard.nodes(), 30);
        let sets = yard.world().scale_sets();
        let name = sets[0].id.rsplit('/').next().unwrap().to_owned();
        let one = yard.world().set_instances(&sets[0].id).remove(0);
        let text = vmss_scaler::request::write("r1", &name, &one.instance_id, one.vm_id.parse().unwrap());
        for _ in 0..2 {
            queue.send(&text).await.unwrap();
        }
        yard.run(&mut scaler, hour, |pass| {
            pass.settled() && pass.decision.as_ref().unwrap().target == Some(29)
        })
        .await
        .unwrap();
        assert_eq!(yard.nodes(), 29);
        yard.want("0").await;
        yard.run(&mut scaler, hour, vmss_scaler::Pass::settled).await.unwrap();
        assert_eq!((yard.nodes(), yard.world().scale_sets().len()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_restarted_service_ends_the_lease_of_its_dead_process_and_of_nobody_else() {
    let yard = Yard::new(1).await;
    let pool = yard.pools(&yard.file()).remove(0);
    let mut first = yard.scaler(pool.clone(), "here, process 1").await;
    yard.want("3").await;
    assert_eq!(first.pass().await.standing, Standing::Leading);
    drop(first);
    let begun = yard.now();
    let next = |dead: &'static str| {
        let mut parts = yard.parts(pool.clone(), "here, process 2", yard.queue(&pool));
        parts.dead = Some(std::sync::Arc::new(move |by: &str| by == dead));
        vmss_scaler::Scaler::new(parts)
    };
    let held = Standing::Waiting { by: "here, process 1".to_owned() };
    assert_eq!(next("there, process 1").pass().await.standing, held);
    assert_eq!(next("here, process 1").pass().await.standing, Standing::Leading);
    assert!(yard.now().duration_since(begun).as_secs() < 10);
}

#[tokio::test(start_paused = true)]
async fn a_scaler_runs_on_any_thread() {
    let yard = Yard::new(1).await;
    let pool = yard.pools(&yard.file()).remove(0);
    let mut scaler = yard.scaler(pool, "one").await;
    let standing = tokio::spawn(async move { scaler.pass().await.standing }).await.unwrap();
    assert_eq!(standing, Standing::Leading);
}
