#include "runtime/trigger/event_intake.hpp"

#include "runtime/execute/crash_point.hpp"
#include "runtime/execute/pause.hpp"

#include <algorithm>
#include <spdlog/spdlog.h>

namespace rowlock::runtime {

namespace {

constexpr std::size_t unit = 4096;                   // bytes of an event that weigh as much as one more event
constexpr int most_passing_failures = 3;
// How long the others of a group wait for those whose keys somebody has in an open transaction. Each of them waits as long as lock_timeout says.
constexpr auto longest_alone = std::chrono::seconds{1};
constexpr const char* short_lock_timeout = "set lock_timeout = '250ms'";

constexpr const char* lock_not_available = "55P03";
constexpr const char* unique_violation = "23505";

error away()
{
    return {errc::database_unavailable, "The database cannot be reached; whether the event was stored is not known. Repeat it: with a key it is one event all the same.", {},
            std::chrono::seconds{2}};
}

error held()
{
    return {errc::overloaded, "Somebody emits an event with this source and key in a transaction that is still open. Try again.", {}, std::chrono::seconds{1}};
}

std::size_t weight_of(const new_event& event)
{
    return 1 + event.payload.size() / unit;
}

std::string state_of(const std::exception& e)
{
    const auto* refused = dynamic_cast<const pqxx::sql_error*>(&e);
    return refused ? storage::sqlstate_of(*refused) : std::string();
}

}

event_intake::event_intake(options o, identity& self, counters& counts, listeners tell)
    : options_(std::move(o)), self_(self), counts_(counts), tell_(std::move(tell)),
      commits_({options_.session, options_.max_waiting, options_.max_batch}, [this](storage::session& s, std::vector<item>& batch) { commit(s, batch); })
{
}

awaitable<event_answer> event_intake::take(new_event event)
{
    return suspend_for<event_answer>([this, event = std::move(event)](std::unique_ptr<waiter<event_answer>> who) mutable {
        item one{std::move(event), std::move(who)};
        if (!add(one)) answer(one, error{errc::overloaded, "Too many events wait for a commit. Try again later.", {}, std::chrono::seconds{1}});
    });
}

bool event_intake::post(new_event event)
{
    item one{std::move(event), nullptr};
    return add(one);
}

bool event_intake::add(item& one)
{
    return commits_.add(one, weight_of(one.event));
}

void event_intake::answer(item& one, event_answer with)
{
    if (one.who) waiter<event_answer>::answer(std::move(one.who), std::move(with));
}

void event_intake::answer_all(std::span<item> group, const error& why)
{
    for (auto& one : group) answer(one, why);
}

void event_intake::fill(std::span<const item> group)
{
    columns_.clear();
    const auto block = self_.next_block();
    std::uint32_t ordinal = 0;
    for (const auto& [event, who] : group) {
        columns_.ids.add(block.id(ordinal++));
        columns_.tenants.add(event.tenant.value);
        columns_.sources.add(std::string_view(event.source));
        columns_.keys.add_text_or_null(event.key);
        columns_.payloads.add(std::string_view(event.payload));
        columns_.origins.add(static_cast<std::int16_t>(event.origin));
        columns_.submitters.add_text_or_null(event.submitter);
        if (event.trigger == 0) columns_.triggers.add_null();
        else columns_.triggers.add(std::int32_t{event.trigger});
        columns_.signatures.add_text_or_null(event.signature);
    }
}

void event_intake::answer_taken(std::span<item> group, std::vector<storage::taken_event> taken)
{
    std::size_t made = 0;
    std::optional<std::chrono::milliseconds> due;
    for (std::size_t i = 0; i < group.size(); ++i) {
        auto& one = taken[i];
        made += static_cast<std::size_t>(one.executions);
        if (one.due) due = std::min(due.value_or(*one.due), *one.due);
        auto& counted = one.what == storage::taken_event::verdict::taken ? counts_.events_taken : counts_.events_repeated;
        counted.fetch_add(1, std::memory_order_relaxed);
        counts_.trigger_refusals.fetch_add(static_cast<std::uint64_t>(one.refusals), std::memory_order_relaxed);
        answer(group[i], std::move(one));
    }
    counts_.event_batches.fetch_add(1, std::memory_order_relaxed);
    counts_.trigger_activations.fetch_add(made, std::memory_order_relaxed);
    if (made > 0) tell_.work_queued(made);
    if (due) tell_.events_wait(*due);
}

event_intake::trial event_intake::commit_together(storage::session& s, std::span<item> group)
{
    fill(group);
    const auto until = steady_clock::now() + options_.patience;
    reconnect_pause wait;
    bool again = false;
    int failures = 0;
    for (;;) {
        try {
            if (!s.connected()) s.run(short_lock_timeout);
            crash_point("event.before_commit");
            auto taken = storage::take_events(s, again, columns_);
            counts_.statements.fetch_add(1, std::memory_order_relaxed);
            crash_point("event.after_commit");
            answer_taken(group, std::move(taken));
            return trial::answered;
        } catch (const std::exception& e) {
            counts_.database_errors.fetch_add(1, std::memory_order_relaxed);
            const auto state = state_of(e);
            if (storage::is_away(e)) {
                s.disconnect();
                again = true;                        // it may have been committed
            } else if (state == unique_violation && again) {
                // The commit in doubt came through after all, while this one waited for it.
            } else if (state == lock_not_available) {
                return trial::locked;
            } else if (!storage::is_passing(e)) {
                spdlog::error("{} events were refused: {}", group.size(), e.what());
                return trial::refused;
            } else if (++failures > most_passing_failures) {
                spdlog::warn("{} events were given up: {}", group.size(), e.what());
                answer_all(group, away());
                return trial::answered;
            }
            if (steady_clock::now() >= until) {
                answer_all(group, away());
                return trial::answered;
            }
            wait.pause();
        }
    }
}

void event_intake::commit(storage::session& s, std::vector<item>& batch)
{
    if (commit_together(s, batch) == trial::answered) return;
    // One of them stands in the way: those without keys are together again, unless it is one of these, and the rest each by itself.
    const auto keyed = std::stable_partition(batch.begin(), batch.end(), [](const item& one) { return one.event.key.empty() && one.event.signature.empty(); });
    std::span<item> free(batch.begin(), keyed);
    const bool alone = free.size() == batch.size() || (!free.empty() && commit_together(s, free) != trial::answered);
    const auto until = steady_clock::now() + longest_alone;
    for (auto& one : alone ? std::span<item>(batch) : std::span<item>(keyed, batch.end())) {
        if (steady_clock::now() >= until) {
            answer(one, held());
            continue;
        }
        switch (commit_together(s, std::span<item>(&one, 1))) {
        case trial::answered: break;
        case trial::locked: answer(one, held()); break;
        case trial::refused: answer(one, error{errc::internal, "The event could not be stored. The server's log says why."}); break;
        }
    }
}

}
