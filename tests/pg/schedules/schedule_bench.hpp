#pragma once

#include "runtime/schedule/firing.hpp"
#include "storage/schedule_store.hpp"
#include "tests/pg/queue/queue_traffic.hpp"

#include <chrono>
#include <fmt/format.h>
#include <string>
#include <string_view>

namespace rowlock::test {

using namespace std::chrono_literals;

// A database whose clock stands at 12:00:00 of a day, and goes only when it is told to.
struct schedule_bench {
    queue_database db;
    instance_id me;
    runtime::zone_database zones{};
    timestamp start;
    std::chrono::milliseconds gone{0};

    schedule_bench() : me(db.instance(std::chrono::hours{24 * 400}))
    {
        db.move_clock(0ms);
        // What stands still is fixed: the clock of the transaction would go on.
        db.rows("create table fixed_clock as select date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' + interval '12 hours' as at; grant select on fixed_clock to rowlock_app;"
                "create or replace function clock() returns timestamptz language sql stable as $$ select at from rowlock.fixed_clock $$");
        start = *parse_rfc3339(db.value("select rfc3339(clock())"));
        db.rows("update instances set lease_until = clock() + interval '400 days'");
    }

    void go(std::chrono::milliseconds further)
    {
        gone += further;
        db.rows(fmt::format("update fixed_clock set at = '{}'::timestamptz", to_rfc3339(start + gone)));
    }

    // To so long after the beginning.
    void go_to(std::chrono::milliseconds after_start) { go(after_start - gone); }

    // A job with this schedule; `more` are further members of put_job_1's rules.
    queue_job scheduled(std::string_view job_id, std::string_view when, std::string_view more = "")
    {
        return db.job(job_id, {.rules = fmt::format(R"({{"schedule": {{"schedule_id": "{}", "timezone": "UTC", {}}}{}}})", job_id, when, more)});
    }

    // What a server does in a round.
    runtime::fire_tally round(std::optional<runtime::schedule_watch> watch = std::nullopt)
    {
        runtime::refresh_due(db.service(), storage::read_due_windows(db.service(), 1000), zones);
        runtime::fire_tally sum;
        for (int i = 0; i < 1000; ++i) {
            const auto due = storage::read_due_schedules(db.service(), 1000, 0);
            if (due.all.empty()) break;
            const auto did = runtime::fire_due(db.service(), due, {zones, 10, watch});
            sum.evaluated += did.evaluated;
            sum.fired += did.fired;
            sum.caught_up += did.caught_up;
            sum.queued += did.queued;
            sum.skipped += did.skipped;
            sum.failed += did.failed;
            if (did.evaluated + did.failed == 0) break;
        }
        storage::release_queued_ticks(db.service(), {}, 1000);
        return sum;
    }

    // What became of the ticks of a job: "FIRED, SKIPPED MISSED x3".
    std::string ticks_of(std::string_view job_id)
    {
        return db.value(fmt::format("select string_agg(outcome || coalesce(' ' || reason, '') || case when ticks > 1 then ' x' || ticks else '' end, ', ' order by tick_time) "
                                    "from v_schedule_ticks where job_id = '{}'", job_id));
    }

    // Claims one execution and ends it.
    void run_one(execution_status as = execution_status::completed)
    {
        const auto claimed = claim_one(db.service(), me, 1);
        ends(claimed).end(claimed.lo, as).commit(db.service(), me);
    }
};

}
