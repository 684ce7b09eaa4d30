#include "runtime/schedule/evaluate.hpp"

#include "storage/model/json_text.hpp"

#include <algorithm>

namespace rowlock::runtime {

namespace {

using std::chrono::microseconds;

constexpr microseconds instant{1};

// Finalizer of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
std::uint64_t mix(std::uint64_t x)
{
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

// Ticks up to here are later than the tolerance allows.
timestamp missed_up_to(const schedule_spec& spec, timestamp now, const std::optional<schedule_watch>& watch)
{
    const auto missed = now - spec.tolerance - spec.jitter - instant;
    if (!watch || watch->elapsed > std::max<microseconds>(spec.tolerance, longest_look) || now - watch->since > watch->elapsed + largest_clock_jump) return missed;
    return std::min(missed, watch->since);
}

// One evaluation under way.
class evaluator {
public:
    evaluator(const compiled_schedule& schedule, timestamp decided_to) : schedule_(schedule) { made_.decided_to = decided_to; }

    // Skips the ticks up to and with `until` but the last `keep`, which are caught up. false: there are too many for one evaluation.
    bool pass(timestamp until, std::size_t keep, const std::string& reason)
    {
        if (until <= made_.decided_to) return true;
        const auto late = latest_ticks_between(schedule_, made_.decided_to, until, keep, most_skipped_at_once);
        if (!late.earlier_is_exact) {
            const auto first = ticks_between(schedule_, made_.decided_to, until, most_skipped_at_once);
            skip(first.front(), first.back(), static_cast<std::int64_t>(first.size()), reason);
            return false;
        }
        if (late.earlier > 0) {
            const auto first = next_fire(schedule_, made_.decided_to);
            const auto end = late.ticks.empty() ? until : late.ticks.front() - instant;
            const auto last = latest_ticks_between(schedule_, made_.decided_to, end, 1);
            skip(*first, last.ticks.front(), static_cast<std::int64_t>(late.earlier), reason);
        }
        for (const auto at : late.ticks) add({at, tick_verdict::catch_up, {}, at, 1});
        made_.decided_to = until;
        return true;
    }

    // Fires what has come by `now`. false: there are too many for one evaluation.
    bool fire(timestamp now, const schedule_spec& spec, std::uint64_t seed)
    {
        const auto ticks = ticks_between(schedule_, made_.decided_to, now, most_fired_at_once);
        for (const auto at : ticks) {
            if (at + jitter_of(at, spec.jitter, seed) > now) return true;
            add({at, tick_verdict::fire, {}, at, 1});
        }
        return ticks.size() < most_fired_at_once;
    }

    evaluation take(bool whole, timestamp now, const schedule_spec& spec, std::uint64_t seed)
    {
        made_.next = next_fire(schedule_, made_.decided_to);
        if (made_.next) made_.look_at = whole ? *made_.next + jitter_of(*made_.next, spec.jitter, seed) : std::min(now, *made_.next);
        return std::move(made_);
    }

private:
    void skip(timestamp first, timestamp last, std::int64_t count, const std::string& reason) { add({first, tick_verdict::skip, reason, last, count}); }

    void add(evaluated_tick tick)
    {
        made_.decided_to = tick.last;
        made_.ticks.push_back(std::move(tick));
    }

    const compiled_schedule& schedule_;
    evaluation made_{};
};

}

result<schedule_spec> read_stored_schedule(std::string_view spec)
{
    const auto document = parse_json(spec);
    if (!document || !document->is_object()) return error{errc::invalid_request, "The stored schedule is no JSON object."};
    return parse_schedule(document->get_object());
}

result<compiled_schedule> compile_stored(std::string_view spec, zone_database& zones, timestamp registered)
{
    const auto read = read_stored_schedule(spec);
    if (!read) return read.error();
    return compile(*read, zones, registered);
}

microseconds jitter_of(timestamp tick, std::chrono::milliseconds most, std::uint64_t seed)
{
    if (most <= std::chrono::milliseconds{0}) return microseconds{0};
    const auto span = static_cast<std::uint64_t>(microseconds{most}.count()) + 1;
    return microseconds{static_cast<std::int64_t>(mix(mix(seed) ^ static_cast<std::uint64_t>(tick.time_since_epoch().count())) % span)};
}

evaluation evaluate(const compiled_schedule& schedule, const schedule_spec& spec, const schedule_standing& standing, timestamp now, int catchup_limit, std::uint64_t seed,
                    const std::optional<schedule_watch>& watch)
{
    evaluator work(schedule, standing.decided_to);
    const auto missed = missed_up_to(spec, now, watch);
    const auto passed = std::min(standing.passed_to.value_or(timestamp::min()), now);
    bool whole = true;
    if (spec.catchup_enabled) {
        const auto keep = static_cast<std::size_t>(std::max(spec.max_catchup_runs.value_or(catchup_limit), 0));
        whole = work.pass(std::max(missed, passed), std::min(keep, most_fired_at_once * 10), "CATCHUP_LIMIT");
    } else {
        whole = work.pass(passed, 0, standing.passed_why) && work.pass(missed, 0, "MISSED");
    }
    whole = whole && work.fire(now, spec, seed);
    return work.take(whole, now, spec, seed);
}

}
