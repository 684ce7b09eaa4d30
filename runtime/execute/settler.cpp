#include "runtime/execute/settler.hpp"

#include "runtime/execute/crash_point.hpp"
#include "runtime/execute/pause.hpp"

#include <algorithm>
#include <map>
#include <spdlog/spdlog.h>
#include <unordered_map>

namespace rowlock::runtime {

namespace {

// What a result that the database refuses is replaced by, so that its execution still ends.
outcome unstorable(const std::string& why)
{
    outcome o;
    o.status = execution_status::failed;
    o.error_code = "INVALID_RESULT";
    o.error_message = "The result could not be stored: " + why;
    return o;
}

}

settler::settler(options o, identity& self, slots& free, ledger& owned, counters& counts, listeners tell)
    : options_(std::move(o)), self_(self), free_(free), owned_(owned), counts_(counts), tell_(std::move(tell)),
      commits_({options_.session, static_cast<std::size_t>(-1), options_.max_batch}, [this](storage::session& s, batch& ends) { commit(s, ends); })
{
}

void settler::settle(std::vector<finished> ends)
{
    const std::size_t n = ends.size();
    if (n > 0) commits_.add(ends, n);
}

void settler::commit(storage::session& s, batch& ends)
{
    // An end settles under the claim that it was made under, or is lost: an earlier id of this process, or an earlier fence of an extent
    // that was handed back and claimed again, never stands beside a later one in a statement.
    std::map<std::pair<instance_id, rowlock::fence>, std::vector<finished*>> by_claim;
    for (auto& group : ends) {
        for (auto& end : group) by_claim[{end.owner, end.fence}].push_back(&end);
    }
    for (auto& [claim, of_claim] : by_claim) commit_of(s, claim.first, of_claim, false);
}

void settler::commit_of(storage::session& s, instance_id owner, std::vector<finished*>& ends, bool again)
{
    reconnect_pause wait;
    bool told = false;
    for (;;) {
        try {
            if (try_commit(s, owner, ends, again)) return;
        } catch (const std::exception& e) {
            counts_.database_errors.fetch_add(1, std::memory_order_relaxed);
            if (storage::is_away(e)) {
                // The commit is in doubt. The next try passes over what was committed.
                s.disconnect();
                again = true;
                if (give_up_.load()) break;
                wait.pause();
                continue;
            }
            if (storage::is_passing(e)) {
                // No fault of the results: they are settled when it has passed.
                if (!std::exchange(told, true)) spdlog::warn("{} results wait for the database: {}", ends.size(), e.what());
                if (give_up_.load()) break;
                wait.pause();
                continue;
            }
            if (ends.size() == 1) {
                spdlog::error("the result of execution {} was refused by the database: {}", ends[0]->id.str(), e.what());
                if (ends[0]->result.error_code == "INVALID_RESULT") break;
                ends[0]->result = unstorable(e.what());
                ends[0]->retry_in.reset();
                continue;
            }
            // One of them is at fault: alone, each shows whether it is the one.
            for (auto* end : ends) {
                std::vector<finished*> alone{end};
                commit_of(s, owner, alone, again);
            }
            return;
        }
    }
    // Given up: whoever takes this instance's work over ends them as lost.
    std::unordered_set<execution_id> all;
    for (const auto* end : ends) all.insert(end->id);
    account(ends, all);
    // A result that cannot be stored is not run again at once.
    if (give_up_.load() && tell_.forgotten) tell_.forgotten();
}

bool settler::try_commit(storage::session& s, instance_id owner, const std::vector<finished*>& ends, bool again)
{
    fill(ends);
    crash_point("settle.before_commit");
    const auto answer = storage::settle(s, owner, options_.priority_age, again, columns_);
    counts_.settle_batches.fetch_add(1, std::memory_order_relaxed);
    counts_.statements.fetch_add(1, std::memory_order_relaxed);
    crash_point("settle.after_commit");
    account(ends, lost_of(s, owner, ends, answer.lost, again));
    if (!answer.lost.empty() && owned_.has_strays() && tell_.forgotten) tell_.forgotten();
    if (answer.slots_returned && tell_.slots_returned) tell_.slots_returned();
    if ((columns_.planned.size() > 0 || answer.work_follows) && tell_.others_advanced) tell_.others_advanced(answer.work_follows);
    return true;
}

std::unordered_set<execution_id> settler::lost_of(storage::session& s, instance_id owner, const std::vector<finished*>& ends,
                                                  const std::vector<execution_id>& lost_extents, bool again)
{
    std::unordered_set<execution_id> lost;
    if (lost_extents.empty()) return lost;
    const std::unordered_set<execution_id> extents(lost_extents.begin(), lost_extents.end());
    storage::array asked(storage::array::element::uuid);
    storage::array fences(storage::array::element::int4);
    for (const auto* end : ends) {
        if (!extents.contains(end->extent_lo)) continue;
        lost.insert(end->id);
        asked.add(end->id);
        fences.add(end->fence.value);
    }
    if (again) {
        // An extent is gone too when the commit that was in doubt was the one that emptied it.
        for (const auto& id : storage::settled_by(s, owner, asked, fences)) lost.erase(id);
    }
    return lost;
}

void settler::fill(const std::vector<finished*>& ends)
{
    columns_.clear();
    const bool alone = std::all_of(ends.begin(), ends.end(), [](const auto* end) { return end->alone && !end->job->definition.breaker; });
    std::unordered_map<execution_id, int> extents;
    std::vector<const finished*> firsts;             // one of each extent
    for (const auto* end : ends) {
        if (alone || extents.try_emplace(end->extent_lo).second) firsts.push_back(end);
    }
    std::sort(firsts.begin(), firsts.end(), [](const auto* a, const auto* b) { return a->extent_lo < b->extent_lo; });
    for (const auto* first : firsts) {
        columns_.lo.add(first->extent_lo);
        columns_.fence.add(first->fence.value);
        if (!alone) extents[first->extent_lo] = columns_.lo.size();
    }
    const auto block = self_.next_block();
    std::uint32_t ordinal = 0;
    std::int32_t number = 0;
    const auto now = steady_clock::now();
    for (const auto* end : alone ? firsts : std::vector<const finished*>(ends.begin(), ends.end())) {
        const outcome& o = end->result;
        ++number;
        if (!alone) {
            columns_.id.add(end->id);
            columns_.extent.add(extents.at(end->extent_lo));
        }
        columns_.status.add(static_cast<std::int16_t>(o.status));
        const auto age = std::chrono::duration_cast<std::chrono::microseconds>(now - end->returned_at).count();
        columns_.age_us.add(static_cast<std::int32_t>(std::clamp<std::int64_t>(age, 0, 2'000'000'000)));
        columns_.exit_code.add(o.exit_code ? std::optional<std::int32_t>(*o.exit_code) : std::nullopt);
        columns_.error_code.add_text_or_null(o.error_code);
        columns_.error_message.add_text_or_null(o.error_message);
        columns_.records_processed.add(o.records_processed);
        columns_.records_failed.add(o.records_failed);
        columns_.metrics.add_text_or_null(o.metrics);
        columns_.outputs.add_text_or_null(o.outputs);
        columns_.termination.add_text_or_null(o.termination);
        columns_.actor.add_text_or_null(end->actor);
        if (end->leaves_notes) columns_.clean.add(end->id);
        if (end->followed) columns_.planned.add(number);
        fill_failure(*end, number, end->retry_in ? std::optional(block.id(ordinal++)) : std::nullopt);
    }
}

void settler::fill_failure(const finished& end, std::int32_t number, const std::optional<execution_id>& next)
{
    const auto& definition = end.job->definition;
    if (definition.breaker) columns_.watched.add(number);
    if (end.result.status != execution_status::failed && end.result.status != execution_status::timeout) return;
    columns_.failed_at.add(number);
    columns_.category.add(static_cast<std::int16_t>(end.category));
    columns_.details.add_text_or_null(end.details);
    const auto& dead = definition.dead_letter;
    columns_.kept.add(dead.enabled ? std::optional<std::int64_t>(dead.retention.value_or(options_.dead_letters_kept).count()) : std::nullopt);
    columns_.next.add(next);
    if (next) {
        columns_.next_ms.add(static_cast<std::int32_t>(std::clamp<std::int64_t>(end.retry_in->count(), 0, 2'000'000'000)));
        const auto& wait = definition.queue_timeout;
        columns_.next_wait_ms.add(wait ? std::optional<std::int64_t>(wait->count()) : std::nullopt);
    } else {
        columns_.next_ms.add_null();
        columns_.next_wait_ms.add_null();
    }
}

void settler::account(const std::vector<finished*>& ends, const std::unordered_set<execution_id>& lost)
{
    std::vector<execution_id> runs;
    std::optional<milliseconds> soonest;
    bool freed = false;
    for (const auto* end : ends) {
        if (lost.contains(end->id)) {
            owned_.forget(end->extent_lo, end->fence, 1);
            counts_.lost.fetch_add(1, std::memory_order_relaxed);
            continue;
        }
        freed = owned_.settled(end->extent_lo, end->fence, 1) || freed;
        counts_.ended[static_cast<std::size_t>(end->result.status)].fetch_add(1, std::memory_order_relaxed);
        if (end->retry_in) {
            counts_.retries.fetch_add(1, std::memory_order_relaxed);
            soonest = soonest ? std::min(*soonest, *end->retry_in) : *end->retry_in;
        } else {
            runs.push_back(end->run_id);
        }
    }
    free_.give(static_cast<int>(ends.size()));
    if (freed && tell_.kept_slots_freed) tell_.kept_slots_freed();
    if (!runs.empty()) tell_.runs_ended(runs);
    if (soonest) tell_.retries_queued(*soonest);
    else tell_.retries_queued(milliseconds::max());
}

}
