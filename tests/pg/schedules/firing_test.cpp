#include "tests/pg/schedules/schedule_bench.hpp"

#include <catch2/catch.hpp>
#include <future>
#include <vector>

using namespace rowlock;
using namespace rowlock::test;

namespace {

constexpr std::string_view minutely = R"("schedule_type": "CRON", "cron_expression": "* * * * *")";

std::string with(std::string_view more)
{
    return fmt::format("{}, {}", minutely, more);
}

}

TEST_CASE("a tick makes one execution, which has its time and its schedule", "[pg][schedules]")
{
    schedule_bench b;
    b.scheduled("a", minutely);
    CHECK(b.round().made() == 0);
    CHECK(b.db.value("select rfc3339(next_fire_time) = rfc3339(clock() + interval '1 minute') from v_schedules") == "t");
    b.go(60s);
    CHECK(b.round().fired == 1);
    CHECK(b.round().made() == 0);
    CHECK(b.db.value("select concat_ws(' ', status, trigger_type, trigger_id, submitter, scheduled_time = clock()) from v_executions") == "QUEUED SCHEDULED a schedule t");
    CHECK(b.ticks_of("a") == "FIRED");
    CHECK(b.db.value("select last_fire_time = clock() and last_execution_id = (select execution_id from v_executions) and next_fire_time = clock() + interval '1 minute' from v_schedules") == "t");
    CHECK(b.db.violations() == "");
}

TEST_CASE("any number of servers that fire at once make each tick once", "[pg][schedules]")
{
    schedule_bench b;
    constexpr int jobs = 60;
    for (int i = 0; i < jobs; ++i) b.scheduled(fmt::format("job-{}", i), minutely);
    b.round();
    for (int minute = 1; minute <= 3; ++minute) {
        b.go(minute * 60s - b.gone);
        std::vector<std::future<int>> servers;
        for (int i = 0; i < 5; ++i) {
            servers.push_back(std::async(std::launch::async, [&b] {
                storage::session own(b.db.service_options());
                int made = 0;
                for (;;) {
                    const auto due = storage::read_due_schedules(own, 7, 0);
                    if (due.all.empty()) return made;
                    made += runtime::fire_due(own, due, {b.zones, 10, std::nullopt}).made();
                }
            }));
        }
        int made = 0;
        for (auto& each : servers) made += each.get();
        CHECK(made == jobs);
    }
    CHECK(b.db.value("select count(*) from v_executions") == std::to_string(3 * jobs));
    CHECK(b.db.violations() == "");
}

TEST_CASE("what a server has computed of a schedule that was changed meanwhile makes nothing", "[pg][schedules]")
{
    struct row {
        const char* change;
        const char* then;
    };
    const auto r = GENERATE(values<row>({
        {"select pause_schedule_1(1, 'a', true, 'me', '')", "0"},
        {"select switch_job_1(1, 'a', false, 'me', '', null)", "0"},
        {"select delete_job_1(1, 'a', 'me', '', null)", "0"},
        {R"(select put_job_1(1, 'a', '{"x": 1}', '{"max_attempts": 1}', null, 'me', '', null))", "0"},
        {R"(select put_job_1(1, 'a', '{"x": 1}', '{"max_attempts": 1, "schedule": {"schedule_id": "a", "schedule_type": "CRON", "cron_expression": "0 0 1 1 *", "timezone": "UTC"}}', null, 'me', '', null))", "0"},
    }));
    INFO(r.change);
    schedule_bench b;
    b.scheduled("a", minutely);
    b.round();
    b.go(60s);
    const auto due = storage::read_due_schedules(b.db.service(), 10, 0);
    REQUIRE(due.all.size() == 1);
    b.db.rows(r.change);
    CHECK(runtime::fire_due(b.db.service(), due, {b.zones, 10, std::nullopt}).made() == 0);
    b.round();
    CHECK(b.db.value("select count(*) from v_executions") == r.then);
    CHECK(b.db.violations() == "");
}

TEST_CASE("what went by while nobody looked is missed, late or caught up, and recorded", "[pg][schedules]")
{
    schedule_bench b;
    b.scheduled("plain", minutely);
    b.scheduled("again", with(R"("catchup_enabled": true, "max_catchup_runs": 2)"));
    b.scheduled("tolerant", with(R"("tolerance_seconds": 3600)"));
    b.round();
    b.go(5min + 30s);
    const auto did = b.round();
    CHECK(b.ticks_of("plain") == "SKIPPED MISSED x4, FIRED");
    CHECK(b.ticks_of("again") == "SKIPPED CATCHUP_LIMIT x2, CAUGHT_UP, CAUGHT_UP, FIRED");
    CHECK(b.ticks_of("tolerant") == "FIRED, FIRED, FIRED, FIRED, FIRED");
    CHECK(did.skipped == 6);
    CHECK(did.caught_up == 2);
    CHECK(b.db.violations() == "");
}

TEST_CASE("skip_if_running skips what comes while a run of the job has not ended, whoever began it", "[pg][schedules]")
{
    schedule_bench b;
    const auto a = b.scheduled("a", with(R"("skip_if_running": true)"));
    b.round();
    b.go(1min);
    b.round();
    b.go(2min - b.gone);
    b.round();
    CHECK(b.ticks_of("a") == "FIRED, SKIPPED SKIP_IF_RUNNING");
    const auto claimed = claim_one(b.db.service(), b.me);
    b.go(3min - b.gone);
    b.round();
    CHECK(b.ticks_of("a") == "FIRED, SKIPPED SKIP_IF_RUNNING, SKIPPED SKIP_IF_RUNNING");
    ends(claimed).end(claimed.lo).commit(b.db.service(), b.me);
    b.go(4min - b.gone);
    b.round();
    b.run_one();
    submission byhand;
    byhand.extent(a).commit(b.db.service());
    b.go(5min - b.gone);
    b.round();
    CHECK(b.ticks_of("a") == "FIRED, SKIPPED SKIP_IF_RUNNING, SKIPPED SKIP_IF_RUNNING, FIRED, SKIPPED SKIP_IF_RUNNING");
    CHECK(b.db.violations() == "");
}

TEST_CASE("queue_if_running keeps the executions of ticks waiting, one behind the other, until what runs has ended", "[pg][schedules]")
{
    schedule_bench b;
    b.scheduled("a", with(R"("queue_if_running": true)"));
    b.round();
    b.go(1min);
    b.round();
    const auto first = claim_one(b.db.service(), b.me);
    b.go(3min - b.gone);
    b.round();
    CHECK(b.ticks_of("a") == "FIRED, QUEUED, QUEUED");
    CHECK(b.db.value("select string_agg(status || coalesce(' ' || (waiting_on ->> 'rule'), ''), ', ' order by scheduled_time) from v_executions") ==
          "RUNNING, PENDING skip_if_running, PENDING skip_if_running");
    CHECK(b.db.violations() == "");
    ends(first).end(first.lo).commit(b.db.service(), b.me);
    b.round();
    CHECK(b.db.value("select string_agg(status, ', ' order by scheduled_time) from v_executions") == "COMPLETED, QUEUED, PENDING");
    b.round();
    CHECK(b.db.value("select string_agg(status, ', ' order by scheduled_time) from v_executions") == "COMPLETED, QUEUED, PENDING");
    b.run_one();
    // One that is cancelled while it waits holds nobody up.
    b.db.rows("select cancel_1(1, array(select execution_id from v_executions where status = 'PENDING'), 'me', '')");
    b.go(4min - b.gone);
    b.round();
    b.round();
    CHECK(b.db.value("select string_agg(status, ', ' order by scheduled_time) from v_executions") == "COMPLETED, COMPLETED, CANCELLED, QUEUED");
    CHECK(b.db.violations() == "");
}

TEST_CASE("max_concurrent_runs counts the unfinished runs of the schedule", "[pg][schedules]")
{
    schedule_bench b;
    b.scheduled("a", with(R"("max_concurrent_runs": 2)"));
    b.round();
    for (int minute = 1; minute <= 3; ++minute) {
        b.go(minute * 60s - b.gone);
        b.round();
    }
    CHECK(b.ticks_of("a") == "FIRED, FIRED, SKIPPED MAX_CONCURRENT_RUNS");
    b.run_one();
    b.go(4min - b.gone);
    b.round();
    CHECK(b.ticks_of("a") == "FIRED, FIRED, SKIPPED MAX_CONCURRENT_RUNS, FIRED");
    CHECK(b.db.violations() == "");
}

TEST_CASE("a new version keeps a pause, and goes on with ticks that are what they were", "[pg][schedules]")
{
    schedule_bench b;
    b.scheduled("a", minutely);
    b.round();
    b.db.rows("select pause_schedule_1(1, 'a', true, 'me', 'for now')");
    b.go(3min);
    b.round();
    b.db.rows(R"(select put_job_1(1, 'a', '{"x": 1, "tags": {"x": "of the job", "z": "z"}}', '{"max_attempts": 1, "schedule": {"schedule_id": "a", "schedule_type": "CRON", "cron_expression": "* * * * *", "timezone": "UTC", "tags": {"x": "y"}}}', null, 'me', '', null))");
    b.round();
    CHECK(b.db.value("select state || ' ' || pause_reason || ' ' || coalesce(next_fire_time::text, 'never') from v_schedules") == "PAUSED for now never");
    b.db.rows("select pause_schedule_1(1, 'a', false, 'me', '')");
    b.go(4min - b.gone);
    b.round();
    CHECK(b.ticks_of("a") == "SKIPPED PAUSED x3, FIRED");
    CHECK(b.db.value("select tags from v_executions") == R"({"x": "y", "z": "z"})");       // those of the schedule go before those of the job
    CHECK(b.db.value("select string_agg(action || ' ' || author || ' ' || reason, ', ' order by at) from v_schedule_actions") == "PAUSE me for now, RESUME me ");
    CHECK(b.db.violations() == "");
}

TEST_CASE("the schedule of a job that is disabled or deleted fires nothing; enabled again, it does not make up for it", "[pg][schedules]")
{
    schedule_bench b;
    b.scheduled("a", minutely);
    b.round();
    b.db.rows("select switch_job_1(1, 'a', false, 'me', '', null)");
    b.go(2min);
    b.round();
    CHECK(b.db.value("select state from v_schedules") == "DISABLED");
    b.db.rows("select switch_job_1(1, 'a', true, 'me', '', null)");
    b.go(3min - b.gone);
    b.round();
    CHECK(b.ticks_of("a") == "SKIPPED DISABLED x2, FIRED");
    b.db.rows("select delete_job_1(1, 'a', 'me', '', null)");
    b.go(4min - b.gone);
    b.round();
    CHECK(b.db.value("select count(*) from v_schedules") == "0");
    CHECK(b.db.value("select count(*) from v_executions") == "1");
    // Its id is free for others, and comes back with it.
    b.scheduled("b", minutely);
    b.db.rows(R"(select put_job_1(1, 'c', '{}', '{"max_attempts": 1, "schedule": {"schedule_id": "a", "schedule_type": "INTERVAL", "interval_seconds": 60, "timezone": "UTC"}}', null, 'me', '', null))");
    CHECK(b.db.value("select count(*) from v_schedules") == "2");
    CHECK(b.db.violations() == "");
}

TEST_CASE("two jobs of a tenant have no schedules of the same id", "[pg][schedules]")
{
    schedule_bench b;
    b.scheduled("a", minutely);
    const std::string put = R"(select put_job_1({}, 'b', '{{}}', '{{"max_attempts": 1, "schedule": {{"schedule_id": "a", "schedule_type": "INTERVAL", "interval_seconds": 60, "timezone": "UTC"}}}}', null, 'me', '', null))";
    CHECK(b.db.sqlstate(fmt::format(fmt::runtime(put), 1)) == "RL424");
    CHECK(b.db.sqlstate(fmt::format(fmt::runtime(put), b.db.tenant("other").value)) == "");
}

TEST_CASE("a single time fires once, also where it has just come; a start that lies back is caught up", "[pg][schedules]")
{
    schedule_bench b;
    const auto time = [&](std::chrono::seconds from_now) { return to_rfc3339(b.start + from_now); };
    b.scheduled("soon", fmt::format(R"("schedule_type": "ONCE", "run_at": "{}")", time(30s)));
    b.scheduled("just", fmt::format(R"("schedule_type": "ONCE", "run_at": "{}")", time(-30s)));
    b.scheduled("long-ago", fmt::format(R"("schedule_type": "ONCE", "run_at": "{}")", time(-3600s)));
    b.scheduled("since", fmt::format(R"("schedule_type": "INTERVAL", "interval_seconds": 60, "start_date": "{}", "catchup_enabled": true, "max_catchup_runs": 3)", time(-600s)));
    b.round();
    b.go(31s);
    b.round();
    CHECK(b.ticks_of("soon") == "FIRED");
    CHECK(b.ticks_of("just") == "FIRED");
    CHECK(b.ticks_of("long-ago") == "SKIPPED MISSED");
    CHECK(b.ticks_of("since") == "SKIPPED CATCHUP_LIMIT x6, CAUGHT_UP, CAUGHT_UP, CAUGHT_UP, FIRED, FIRED");
    CHECK(b.db.value("select string_agg(state, ' ' order by schedule_id) from v_schedules where schedule_id <> 'since'") == "ENDED ENDED ENDED");
    b.go(1s);
    CHECK(b.round().made() == 0);
    CHECK(b.db.violations() == "");
}

TEST_CASE("a single time that is still to come can be changed to an earlier one, or to another kind of schedule", "[pg][schedules]")
{
    schedule_bench b;
    const auto once = [&](std::chrono::seconds from_now) { return fmt::format(R"("schedule_type": "ONCE", "run_at": "{}")", to_rfc3339(b.start + from_now)); };
    const auto change = [&](std::string_view job_id, std::string_view when) {
        b.db.rows(fmt::format(R"(select set_schedule_1(1, (select job_key from jobs where job_id = '{0}'), '{{"schedule_id": "{0}", "timezone": "UTC", {1}}}'))", job_id, when));
    };
    b.scheduled("sooner", once(86400s));
    b.scheduled("minutely", once(86400s));
    b.round();
    change("sooner", once(30s));
    change("minutely", minutely);
    b.round();
    b.go(61s);
    b.round();
    CHECK(b.ticks_of("sooner") == "FIRED");
    CHECK(b.ticks_of("minutely") == "FIRED");
    CHECK(b.db.violations() == "");
}

TEST_CASE("a schedule that cannot be evaluated is in scheduling_errors once, and the others go on", "[pg][schedules]")
{
    schedule_bench b;
    b.scheduled("good", minutely);
    b.scheduled("gone", R"("schedule_type": "CRON", "cron_expression": "* * * * *", "timezone": "Atlantis/Capital")");
    b.round();
    b.go(1min);
    b.round();
    CHECK(b.ticks_of("good") == "FIRED");
    CHECK(b.db.value("select string_agg(queue || ' ' || job_id || ' ' || error_code || ' ' || (details ->> 'schedule_id'), ', ') from v_errors") == "scheduling_errors gone SCHED_002_INVALID_TIMEZONE gone");
    CHECK(b.db.value("select state from v_schedules where schedule_id = 'gone'") == "INVALID");
    b.go(20min);
    b.round();
    CHECK(b.db.value("select count(*) from v_errors") == "1");
    // Its ticks are undecided: with its zone it goes on.
    b.db.rows("update schedules set spec = jsonb_set(spec, '{timezone}', '\"UTC\"') where schedule_id = 'gone'");
    b.go_to(26min);
    b.round();
    CHECK(b.db.value("select state from v_schedules where schedule_id = 'gone'") == "ACTIVE");
    CHECK(b.ticks_of("gone") == "SKIPPED MISSED x24, FIRED, FIRED");
    CHECK(b.db.violations() == "");
}

TEST_CASE("a schedule whose executions the database refuses does not keep the others from theirs", "[pg][schedules]")
{
    schedule_bench b;
    for (int i = 0; i < 9; ++i) b.scheduled(fmt::format("job-{}", i), minutely);
    b.round();
    b.db.rows("create function refuse_one() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;"
              "create trigger refuse_one before insert on schedule_ticks for each row when (new.job_key = 4) execute function refuse_one()");
    b.go(1min);
    const auto did = b.round();
    CHECK(did.fired == 8);
    CHECK(did.failed == 1);
    CHECK(b.db.value("select count(*) from v_executions") == "8");
    CHECK(b.db.value("select error_code from v_errors") == "SCHED_005_EVALUATION_FAILED");
    CHECK(b.db.violations() == "");
}

TEST_CASE("a clock that is set an hour ahead and back again neither loses a tick nor repeats one", "[pg][schedules]")
{
    schedule_bench b;
    b.scheduled("a", R"("schedule_type": "CRON", "cron_expression": "*/10 * * * *")");
    runtime::schedule_watch watch{b.start, 1s};
    b.round(watch);
    b.go_to(1h + 1min);
    b.round(watch);
    CHECK(b.db.value("select count(*) || ' ' || count(distinct scheduled_time) from v_executions") == "6 6");
    for (int minute = 2; minute <= 80; minute += 3) {
        watch = {b.start + b.gone, 1s};
        b.go_to(minute * 60s);
        b.round(watch);
    }
    CHECK(b.db.value("select count(*) || ' ' || count(distinct scheduled_time) from v_executions") == "8 8");
    CHECK(b.db.value("select count(*) from v_schedule_ticks where outcome <> 'FIRED'") == "0");
    CHECK(b.db.violations() == "");
}

TEST_CASE("an equal run that has not ended stands for a tick where the job has dedupe", "[pg][schedules]")
{
    schedule_bench b;
    b.scheduled("a", minutely, R"(, "dedupe": true)");
    b.round();
    b.go(1min);
    b.round();
    b.go(2min - b.gone);
    b.round();
    CHECK(b.ticks_of("a") == "FIRED, SKIPPED DEDUPE");
    CHECK(b.db.value("select count(distinct execution_id) from v_schedule_ticks") == "1");
    CHECK(b.db.violations() == "");
}

TEST_CASE("a tick of a job that depends on others waits for their ends", "[pg][schedules]")
{
    schedule_bench b;
    const auto up = b.db.job("up");
    b.scheduled("down", minutely, R"(, "dependencies": [{"id": "d", "upstream": "up", "type": 1, "timeout_s": 3000}])");
    b.round();
    b.go(1min);
    b.round();
    b.db.rows("select promote_1(100)");
    CHECK(b.db.value("select waiting_on ->> 'rule' from v_executions where job_id = 'down'") == "dependency");
    submission sent;
    sent.extent(up).commit(b.db.service());
    b.run_one();
    CHECK(b.db.value("select status from v_executions where job_id = 'down'") == "QUEUED");
    CHECK(b.db.violations() == "");
}

TEST_CASE("what became of ticks is kept for a while, and only inserted", "[pg][schedules]")
{
    schedule_bench b;
    b.scheduled("a", minutely);
    b.round();
    b.go(1min);
    b.round();
    CHECK(b.db.sqlstate("update schedule_ticks set outcome = 1") == "42501");
    CHECK(b.db.sqlstate("delete from schedule_ticks") == "42501");
    CHECK(storage::sweep_schedule_ticks(b.db.service(), std::chrono::hours{72}, 100) == 0);
    b.go(std::chrono::hours{73});
    CHECK(storage::sweep_schedule_ticks(b.db.service(), std::chrono::hours{72}, 100) == 1);
    CHECK(b.db.value("select what || ' ' || row_count from v_retention") == "schedule_ticks 1");
}
