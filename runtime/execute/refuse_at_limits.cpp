#include "runtime/execute/refuse_at_limits.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace rowlock::runtime {

namespace {

constexpr std::chrono::seconds try_again{1};
constexpr std::size_t most_named = 100;

bool holds(const storage::reached_limit& limit, const submission& s, timestamp now)
{
    if (s.scheduled_time && *s.scheduled_time > now) return false;
    return std::find(limit.lanes.begin(), limit.lanes.end(), s.job->lane) != limit.lanes.end();
}

// The queue is full, which is no matter of who runs.
bool is_queue(const storage::reached_limit& limit)
{
    return limit.kind == "queue";
}

std::string words_of(const storage::reached_limit& limit)
{
    if (is_queue(limit)) return fmt::format("{} of {} executions are queued (EXECUTOR_QUEUE_CAPACITY)", limit.in_use, limit.max_running);
    if (limit.kind == "global") return fmt::format("the global limit is reached, {} of {} run", limit.in_use, limit.max_running);
    const std::string kind = limit.kind == "job_type" ? "job type" : limit.kind;
    return fmt::format("the limit of the {} {} is reached, {} of {} run", kind, limit.key, limit.in_use, limit.max_running);
}

error refusal(const submit_request& request, const storage::reached_limit& limit, timestamp now)
{
    error why{errc::rate_limited, is_queue(limit) ? fmt::format("Nothing was submitted: {}. Try again later.", words_of(limit))
                                            : fmt::format("Nothing was submitted: {}, and it refuses what comes beyond (on_limit REJECT). Try again later.", words_of(limit)), {}, try_again};
    const bool one = request.items.size() == 1;
    for (std::size_t i = 0; i < request.items.size() && why.fields.size() < most_named; ++i) {
        if (!holds(limit, request.items[i], now)) continue;
        why.fields.push_back({one ? "job_id" : fmt::format("executions[{}].job_id", i), fmt::format("\"{}\"", request.items[i].job->definition.job_id),
                              fmt::format("cannot be submitted now: {}", words_of(limit))});
    }
    return why;
}

}

std::vector<std::optional<error>> refuse_at_limits(const std::vector<const submit_request*>& requests, std::vector<storage::reached_limit> reached, timestamp now)
{
    std::vector<std::optional<error>> verdicts(requests.size());
    for (std::size_t r = 0; r < requests.size(); ++r) {
        std::vector<std::int64_t> wants(reached.size(), 0);
        for (std::size_t l = 0; l < reached.size(); ++l) {
            wants[l] = std::count_if(requests[r]->items.begin(), requests[r]->items.end(), [&](const submission& s) { return holds(reached[l], s, now); });
            // The queue never has more in it than it may.
            const bool full = reached[l].room <= 0 || (is_queue(reached[l]) && wants[l] > reached[l].room);
            if (wants[l] > 0 && full && !verdicts[r]) verdicts[r] = refusal(*requests[r], reached[l], now);
        }
        if (verdicts[r]) continue;
        for (std::size_t l = 0; l < reached.size(); ++l) {
            reached[l].room -= wants[l];
            reached[l].in_use += wants[l];
        }
    }
    return verdicts;
}

}
