#include "runtime/schedule/firing.hpp"

#include "runtime/observe/event_log.hpp"
#include "runtime/schedule/window.hpp"
#include "storage/model/window_rules.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace rowlock::runtime {

namespace {

// What cannot be evaluated is tried again: a zone may come back with the next update of the tz data.
constexpr auto between_tries = std::chrono::minutes{5};

struct failure_words {
    std::string_view code;
    std::string_view type;
};
constexpr failure_words bad_cron{"SCHED_001_INVALID_CRON", "INVALID_CRON"};
constexpr failure_words bad_zone{"SCHED_002_INVALID_TIMEZONE", "INVALID_TIMEZONE"};
constexpr failure_words bad_evaluation{"SCHED_005_EVALUATION_FAILED", "EVALUATION_FAILED"};

failure_words words_of(const error& why)
{
    for (const auto& field : why.fields) {
        if (field.field.ends_with("timezone")) return bad_zone;
        if (field.field.ends_with("cron_expression")) return bad_cron;
    }
    return bad_evaluation;
}

std::string sentence_of(const error& why)
{
    std::string text = why.detail;
    for (const auto& field : why.fields) text += fmt::format("{}{} {}", text.empty() ? "" : " ", field.field, field.message);
    return text;
}

// One of them with what has been decided about it.
struct plan {
    const storage::due_schedule* due = nullptr;
    evaluation what{};
};

class firing {
public:
    firing(storage::session& s, timestamp now, const fire_rules& rules) : session_(s), now_(now), rules_(rules) {}

    void evaluate_one(const storage::due_schedule& due);
    void decide(std::size_t first, std::size_t end);
    std::size_t planned() const { return plans_.size(); }
    fire_tally take() { return std::move(tally_); }

private:
    void fail(const storage::due_schedule& due, failure_words words, const std::string& message);
    storage::fire_batch batch_of(std::size_t first, std::size_t end) const;
    void count(std::size_t first, const storage::decided& decided);
    void tell(const storage::due_schedule& due, const storage::decided_tick& tick, std::int64_t ticks) const;

    storage::session& session_;
    timestamp now_;
    const fire_rules& rules_;
    std::vector<plan> plans_;
    fire_tally tally_;
};

void firing::fail(const storage::due_schedule& due, failure_words words, const std::string& message)
{
    if (!storage::schedule_failed(session_, due.job, due.revision, words.code, words.type, message, now_ + between_tries)) return;
    ++tally_.failed;
    event("scheduling_error").add("job_id", due.job_id).add("schedule_id", due.schedule_id).add("error_code", words.code).add("error_message", message).write(spdlog::level::err);
}

void firing::evaluate_one(const storage::due_schedule& due)
{
    const auto spec = read_stored_schedule(due.spec);
    if (!spec) return fail(due, words_of(spec.error()), sentence_of(spec.error()));
    const auto compiled = compile(*spec, rules_.zones, due.registered_at);
    if (!compiled) return fail(due, words_of(compiled.error()), sentence_of(compiled.error()));
    const schedule_standing standing{due.decided_to, due.passed_to, due.passed_why};
    plans_.push_back({&due, evaluate(*compiled, *spec, standing, now_, rules_.catchup_limit, static_cast<std::uint64_t>(due.job.value), rules_.watch)});
}

storage::fire_batch firing::batch_of(std::size_t first, std::size_t end) const
{
    storage::fire_batch b;
    for (std::size_t k = first; k < end; ++k) {
        const auto& [due, what] = plans_[k];
        b.job.add(due->job.value);
        b.revision.add(due->revision);
        b.decided.add(what.decided_to);
        b.next.add(what.next);
        b.look.add(what.look_at);
        for (const auto& tick : what.ticks) {
            const bool skips = tick.verdict == tick_verdict::skip;
            b.of.add(static_cast<std::int32_t>(k - first) + 1);
            b.tick.add(tick.at);
            b.outcome.add(static_cast<std::int16_t>(skips ? storage::tick_outcome::skipped
                                                          : tick.verdict == tick_verdict::fire ? storage::tick_outcome::fired : storage::tick_outcome::caught_up));
            b.reason.add_text_or_null(tick.reason);
            skips ? b.last.add(tick.last) : b.last.add_null();
            skips ? b.ticks.add(tick.count) : b.ticks.add_null();
        }
    }
    return b;
}

void firing::tell(const storage::due_schedule& due, const storage::decided_tick& tick, std::int64_t ticks) const
{
    const bool skipped = tick.outcome == storage::tick_outcome::skipped;
    const auto level = skipped ? spdlog::level::info : spdlog::level::debug;
    if (!event::on(level)) return;
    event e(skipped ? "tick_skipped" : "tick_fired");
    e.add("job_id", due.job_id).add("schedule_id", due.schedule_id).add("tick_time", to_rfc3339(tick.at)).add("reason", tick.reason);
    if (ticks > 1) e.add("ticks", ticks);
    if (tick.execution) e.add("execution_id", tick.execution->str());
    e.write(level);
}

void firing::count(std::size_t first, const storage::decided& decided)
{
    using enum storage::tick_outcome;
    for (const auto& tick : decided.ticks) {
        const auto k = static_cast<std::size_t>(tick.of) - 1;
        const auto& plan = plans_[first + k];
        std::int64_t ticks = 1;
        switch (tick.outcome) {
        case fired: ++tally_.fired; break;
        case caught_up: ++tally_.caught_up; break;
        case queued: ++tally_.queued; break;
        case skipped:
            for (const auto& each : plan.what.ticks) {
                if (each.at == tick.at) ticks = each.count;
            }
            tally_.skipped += ticks;
            if (tick.execution && tick.reason == "OUTSIDE_WINDOW") tally_.ended.push_back(*tick.execution);
            break;
        }
        tell(*plan.due, tick, ticks);
    }
    tally_.evaluated += decided.schedules;
}

void firing::decide(std::size_t first, std::size_t end)
{
    if (first == end) return;
    try {
        auto batch = batch_of(first, end);
        count(first, storage::fire(session_, batch));
    } catch (const pqxx::sql_error& e) {
        if (storage::is_away(e) || storage::is_passing(e)) throw;
        // One of them is to blame: it is found by halves.
        if (end - first > 1) {
            const auto middle = first + (end - first) / 2;
            decide(first, middle);
            decide(middle, end);
            return;
        }
        fail(*plans_[first].due, bad_evaluation, fmt::format("The database refused its executions: {}", e.what()));
    }
}

}

fire_tally fire_due(storage::session& s, const storage::due_schedules& due, const fire_rules& rules)
{
    firing work(s, due.now, rules);
    for (const auto& each : due.all) work.evaluate_one(each);
    work.decide(0, work.planned());
    return work.take();
}

fire_tally refresh_due(storage::session& s, const storage::due_lanes& due, zone_database& zones)
{
    fire_tally tally;
    storage::window_batch batch;
    for (const auto& each : due.all) {
        const auto windows = compile(parse_window_rules(each.windows), zones);
        if (!windows) {
            if (storage::windows_failed(s, each.lane, each.revision, sentence_of(windows.error()), due.now + between_tries)) {
                ++tally.failed;
                spdlog::error("the execution windows of a job cannot be evaluated, and stay closed: {}", sentence_of(windows.error()));
            }
            continue;
        }
        const auto open = window_at(*windows, due.now);
        batch.lane.add(each.lane.value);
        batch.revision.add(each.revision);
        batch.from.add(open.from);
        batch.until.add(open.until);
        // Twice for each interval: so that those who can start something are there when it opens.
        batch.look.add(open.open_now ? open.until : open.from);
    }
    if (batch.lane.size() > 0) tally.evaluated = storage::refresh_windows(s, batch);
    return tally;
}

}
