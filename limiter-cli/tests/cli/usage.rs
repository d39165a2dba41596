//! What passed: as a table, for programs, and as a file.

use crate::run::Person;
use crate::server::{Server, TOKEN, instance, network, plan, rule};

fn person(server: &Server) -> Person {
    let mut world = server.world.lock();
    world.networks.push(network(1));
    world.plans.insert("plan-1".into(), plan("plan-1"));
    drop(world);
    Person::new(&server.url).with("LIMITER_TOKEN", TOKEN).with("TZ", "UTC")
}

#[test]
fn points_are_a_table_with_their_sum_beside_it() {
    let server = Server::tcp();
    let person = person(&server);
    let shown = person.run("usage network office-1 --from 2026-03-31T11:00:00Z").code(0);
    let lines: Vec<_> = shown.out.lines().collect();
    assert_eq!(lines.len(), 3, "{shown:?}");
    assert!(lines[0].starts_with("START") && lines[0].contains("DOWN LIMITED"), "{shown:?}");
    assert!(lines[1].starts_with("2026-03-31 12:00:00 UTC"), "{shown:?}");
    assert!(lines[1].contains("20.0 Mbps") && lines[1].contains("60 s, 2.92 KiB refused"), "{shown:?}");
    assert!(lines[2].contains("~20.0 Mbps"), "{shown:?}");
    assert!(shown.err.contains("down 143 MiB") && shown.err.contains("the peak is 20 Mbps"), "{shown:?}");
}

#[test]
fn programs_get_every_number_and_files_have_a_line_a_point() {
    let server = Server::tcp();
    let person = person(&server);
    let json = person.run("usage plan office-1 --period 15m --last 6h -o json").code(0).json();
    assert_eq!(
        (json["period_s"].as_u64(), json["total"]["down"]["bytes"].as_u64()),
        (Some(900), Some(150_000_000))
    );
    let csv = person.run("usage plan office-1 --csv").code(0).out;
    let lines: Vec<_> = csv.lines().collect();
    assert!(lines[0].starts_with("start,period_s,up_bytes"), "{csv}");
    assert_eq!(lines[1], "2026-03-31T12:00:00Z,60,7,0,0,0,0,150000000,20000000,20150000,3000,60,false");
    assert_eq!(lines.len(), 3);
}

#[test]
fn a_released_plan_is_found_by_its_id_and_nothing_else_is() {
    let server = Server::tcp();
    let person = person(&server);
    person.run("usage plan np-0123456789abcdefg").code(0);
    let none = person.run("usage plan elsewhere").code(1);
    assert!(none.err.contains("there is no plan `elsewhere`"), "{none:?}");
}

#[test]
fn an_empty_time_teaches_the_next_step() {
    let server = Server::tcp();
    let shown = person(&server).run("usage network office-1 --from 2026-03-31T13:00:00Z").code(0);
    assert!(shown.out.is_empty() && shown.err.contains("--last 24h"), "{shown:?}");
}

#[test]
fn the_busiest_instances_are_listed_deleted_ones_too() {
    let server = Server::tcp();
    let person = person(&server);
    let shown = person.run("usage top office-1").code(0).out;
    let lines: Vec<_> = shown.lines().collect();
    assert!(lines[1].starts_with("web") && lines[1].contains("1.00 GiB"), "{shown}");
    assert!(lines[2].starts_with('-') && lines[2].ends_with("inst-2"), "{shown}");
    assert_eq!(person.run("usage top office-1 --limit 1 -q").code(0).out, "inst-1\n");
}

#[test]
fn what_held_an_instance_back_is_said_from_the_narrowest_limit_on() {
    let server = Server::tcp();
    let person = person(&server);
    let mut world = server.world.lock();
    world.instances.push(instance(1));
    world.rules.push(rule());
    drop(world);
    let told =
        person.run("explain instance office-1/web-1 --from 2026-03-31T11:00:00Z --to 2026-03-31T12:02:00Z");
    let told = told.code(0).out;
    let lines: Vec<_> = told.lines().collect();
    assert!(
        lines[0].starts_with("instance web-1 of network office-1, 2026-03-31 11:00:00 UTC to "),
        "{told}"
    );
    assert_eq!(
        &lines[1..4],
        [
            "up: 7 B, 0 bps on average, at most 0 bps",
            "  nothing held it back",
            "down: 143 MiB, 20.0 Mbps on average, at most 20.1 Mbps"
        ]
    );
    assert!(
        lines[4].contains("its rule slow (3 Mbps now) held it back for 1 min and refused 2.92 KiB"),
        "{told}"
    );
    assert!(
        lines[5].contains("of network office-1, with all its instances together (20 Mbps now)"),
        "{told}"
    );
    let json = person.run("explain plan office-1 -o json").code(0).json();
    assert_eq!(json["limits"][0]["did"]["down"]["limited_s"], 60);
    person.run("explain network nowhere").code(1);
}
