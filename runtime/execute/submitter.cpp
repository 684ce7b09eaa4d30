#include "runtime/execute/submitter.hpp"

#include "runtime/execute/crash_point.hpp"
#include "runtime/execute/pause.hpp"
#include "runtime/execute/refuse_at_limits.hpp"
#include "runtime/execute/submit_plan.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>
#include <spdlog/spdlog.h>

namespace rowlock::runtime {

namespace {

error away()
{
    return {errc::database_unavailable, "The database cannot be reached; whether the submission was stored is not known. Repeat it with the same Idempotency-Key.",
            {}, std::chrono::seconds{2}};
}

// While it lives, what is stored with ids of the block is no stranger to the ledger.
class expectation {
public:
    expectation(ledger& owned, const identity::block& block, bool starts) : owned_(owned)
    {
        if (starts) owned_.expect(block.id(0), block.id(execution_id::max_ordinal));
    }
    ~expectation() { owned_.arrived(); }
    expectation(const expectation&) = delete;
    expectation& operator=(const expectation&) = delete;

private:
    ledger& owned_;
};

// Does one of the keys in use name the very execution that was to be stored under it?
bool names_own(const submit_plan& layout, const storage::submit_reply& reply)
{
    return std::any_of(reply.keys.begin(), reply.keys.end(), [&](const storage::submit_reply::key_in_use& used) {
        const auto& key = layout.keys[static_cast<std::size_t>(used.key) - 1];
        return used.execution == layout.ids[key.request][key.item];
    });
}

}

// One round of the group commit: what is laid out, and what is known of it.
struct submitter::plan {
    std::vector<const submit_request*> requests;
    submit_plan layout;
    instance_id owner{};
    int slots = 0;                                   // taken for it
};

submitter::submitter(options o, identity& self, slots& free, ledger& owned, const lane_floors& floors, const waiting_tenants& waiting, executor& runs, counters& counts, listeners tell)
    : options_(std::move(o)), self_(self), free_(free), owned_(owned), floors_(floors), waiting_(waiting), runs_(runs), counts_(counts), tell_(std::move(tell)),
      commits_({options_.session, options_.max_waiting, options_.max_batch}, [this](storage::session& s, std::vector<item>& batch) { commit(s, batch); })
{
}

awaitable<submit_answer> submitter::submit(submit_request request)
{
    return suspend_for<submit_answer>([this, request = std::move(request)](std::unique_ptr<waiter<submit_answer>> who) mutable { submit(std::move(request), std::move(who)); });
}

void submitter::submit(submit_request request, std::unique_ptr<waiter<submit_answer>> who)
{
    const std::size_t weight = request.items.size();
    item one{std::move(request), std::move(who), counted_wait(counts_.waiting_for_commit)};
    if (commits_.add(one, weight)) return;
    waiter<submit_answer>::answer(std::move(one.who), error{errc::overloaded, "Too many submissions wait for a commit. Try again later.", {}, std::chrono::seconds{1}});
}

void submitter::commit(storage::session& s, std::vector<item>& batch)
{
    turns_.fetch_add(1);
    std::vector<item> left = tell_.refused ? without_refused(s, std::move(batch)) : std::move(batch);
    while (!left.empty()) left = commit_round(s, std::move(left));
    batch.clear();
    turns_.fetch_add(1);
    turns_.notify_all();
}

struct submitter::refused_item {
    item one;
    error why;
};

std::vector<bool> submitter::repeats_of(storage::session& s, const std::vector<refused_item>& refused)
{
    std::vector<bool> repeated(refused.size(), true);
    storage::array tenants(storage::array::element::int4);
    storage::array keys(storage::array::element::text);
    std::vector<std::size_t> whose;
    for (std::size_t i = 0; i < refused.size(); ++i) {
        const auto& request = refused[i].one.request;
        const auto look_up = [&](const std::string& key) {
            tenants.add(request.tenant.value);
            keys.add(std::string_view(key));
            whose.push_back(i);
        };
        if (!request.batch_key.empty()) {
            look_up(request.batch_key);
            continue;
        }
        for (const auto& each : request.items) {
            if (each.idempotency_key.empty()) repeated[i] = false;
            else look_up(each.idempotency_key);
        }
    }
    if (whose.empty()) return repeated;
    std::vector<bool> used(whose.size(), false);
    for (const auto k : storage::keys_in_use(s, tenants, keys)) used[k] = true;
    for (std::size_t k = 0; k < whose.size(); ++k) {
        if (!used[k]) repeated[whose[k]] = false;
    }
    return repeated;
}

std::vector<submitter::item> submitter::without_refused(storage::session& s, std::vector<item> batch)
{
    std::vector<item> taken;
    std::vector<refused_item> refused;
    taken.reserve(batch.size());
    for (auto& each : batch) {
        if (auto why = tell_.refused(each.request)) refused.push_back({std::move(each), std::move(*why)});
        else taken.push_back(std::move(each));
    }
    if (refused.empty()) return taken;
    // What was taken in before is not refused when it is repeated. All are looked up at once: who is refused must cost the others little.
    std::vector<bool> repeated;
    try {
        repeated = repeats_of(s, refused);
    } catch (const std::exception& e) {
        if (!storage::is_away(e) && !storage::is_passing(e)) spdlog::warn("keys could not be looked up: {}", e.what());
        s.disconnect();
        for (auto& each : refused) waiter<submit_answer>::answer(std::move(each.one.who), away());
        return taken;
    }
    for (std::size_t i = 0; i < refused.size(); ++i) {
        auto& [one, why] = refused[i];
        if (repeated[i]) {
            taken.push_back(std::move(one));
            continue;
        }
        if (tell_.was_refused) tell_.was_refused(one.request, why);
        waiter<submit_answer>::answer(std::move(one.who), std::move(why));
    }
    return taken;
}

void submitter::await_turn()
{
    if (const unsigned turn = turns_.load(); turn % 2 == 1) turns_.wait(turn);
}

void submitter::answer_all(std::vector<item>& batch, const error& why)
{
    for (auto& each : batch) waiter<submit_answer>::answer(std::move(each.who), why);
}

std::vector<submitter::item> submitter::commit_within(storage::session& s, std::vector<item> batch, const std::vector<storage::reached_limit>& reached)
{
    std::vector<const submit_request*> requests;
    for (const auto& each : batch) requests.push_back(&each.request);
    auto verdicts = refuse_at_limits(requests, reached, self_.database_now());
    std::vector<item> within;
    std::vector<item> next_round;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        const auto& request = batch[i].request;
        const bool has_key = !request.batch_key.empty() || std::any_of(request.items.begin(), request.items.end(), [](const submission& one) {
            return !one.idempotency_key.empty() || one.job->definition.dedupe;
        });
        if (!verdicts[i]) {
            within.push_back(std::move(batch[i]));
        } else if (has_key && batch.size() > 1) {
            // What it names may be there already: then it is answered with that. Alone it shows.
            std::vector<item> alone;
            alone.push_back(std::move(batch[i]));
            for (auto& again : commit_round(s, std::move(alone))) next_round.push_back(std::move(again));
        } else {
            waiter<submit_answer>::answer(std::move(batch[i].who), std::move(*verdicts[i]));
        }
    }
    if (!within.empty()) {
        for (auto& again : commit_round(s, std::move(within), true)) next_round.push_back(std::move(again));
    }
    return next_round;
}

std::vector<submitter::item> submitter::commit_round(storage::session& s, std::vector<item> offered, bool judged)
{
    // One statement cannot insert a key twice: the second request with a key goes into the next round, where it finds the first.
    std::vector<item> batch;
    batch.reserve(offered.size());                   // `keys` looks into its items, which must stay where they are
    std::vector<item> next_round;
    std::set<std::pair<tenant_key, std::string_view>> keys;
    for (auto& each : offered) {
        std::vector<std::string_view> own;
        if (!each.request.batch_key.empty()) own.emplace_back(each.request.batch_key);
        for (const auto& one : each.request.items) {
            if (!one.idempotency_key.empty()) own.emplace_back(one.idempotency_key);
        }
        bool clash = false;
        for (const auto key : own) clash = clash || keys.contains({each.request.tenant, key});
        if (clash) {
            next_round.push_back(std::move(each));
            continue;
        }
        batch.push_back(std::move(each));
        const auto& kept = batch.back().request;
        if (!kept.batch_key.empty()) keys.emplace(kept.tenant, kept.batch_key);
        for (const auto& one : kept.items) {
            if (!one.idempotency_key.empty()) keys.emplace(kept.tenant, one.idempotency_key);
        }
    }
    keys.clear();                                    // its views end with the moves below

    plan p;
    std::size_t n = 0;
    for (const auto& each : batch) {
        p.requests.push_back(&each.request);
        n += each.request.items.size();
    }
    // What others have waiting comes before what is new.
    const bool in_turn = std::none_of(batch.begin(), batch.end(), [this](const item& each) { return waiting_.has_others_than(each.request.tenant); });
    p.owner = may_start_.load() && in_turn && self_.may_start() ? self_.id() : instance_id{};
    p.slots = p.owner.value != 0 ? free_.take(static_cast<int>(n)) : 0;
    if (p.slots == 0) p.owner = {};
    const auto block = self_.next_block();
    p.layout = lay_out(p.requests, block, p.slots);
    if (std::none_of(p.layout.extents.begin(), p.layout.extents.end(), [](const auto& x) { return x.wants_start; })) {
        free_.give(std::exchange(p.slots, 0));
        p.owner = {};
    }
    const expectation expected(owned_, block, p.slots > 0);

    reconnect_pause wait;
    bool in_doubt = false;
    bool tried_again = false;
    for (;;) {
        try {
            std::optional<storage::submit_reply> reply;
            if (in_doubt) reply = read_back(s, p);
            if (!reply) {
                fill(columns_, p.layout, p.requests, floors_);
                crash_point("submit.before_commit");
                reply = storage::submit(s, p.owner, p.slots, options_.priority_age, options_.key_ttl, columns_, {judged || batch.size() == 1, options_.queue_capacity});
                counts_.statements.fetch_add(1, std::memory_order_relaxed);
                // The commit that was in doubt came through after all, just before this one: its keys name our own executions.
                if (in_doubt && names_own(p.layout, *reply)) {
                    if (auto stored = read_back(s, p)) reply = std::move(stored);
                }
            }
            away_since_.reset();
            crash_point("submit.after_commit");
            answer(s, p, batch, *reply);
            return next_round;
        } catch (const storage::limits_reached_error& e) {
            // Nothing was stored.
            free_.give(std::exchange(p.slots, 0));
            owned_.arrived();
            for (auto& again : commit_within(s, std::move(batch), e.limits())) next_round.push_back(std::move(again));
            return next_round;
        } catch (const storage::lease_lost_error&) {
            // Nothing was stored. Without a lease this instance starts nothing, but it still takes work in.
            free_.give(std::exchange(p.slots, 0));
            p.owner = {};
        } catch (const std::exception& e) {
            counts_.database_errors.fetch_add(1, std::memory_order_relaxed);
            if (storage::is_away(e) || storage::is_passing(e)) {
                s.disconnect();
                in_doubt = true;
                if (!away_since_) away_since_ = steady_clock::now();
                // What waits behind it is not made to wait as long again. But an old connection says nothing: a new one is always tried.
                if (!std::exchange(tried_again, true) || steady_clock::now() < *away_since_ + options_.patience) {
                    wait.pause();
                    continue;
                }
                give_up_start(p);
                answer_all(batch, away());
                return next_round;
            }
            // Our own ids are there already: the commit that was in doubt did happen.
            const auto* sql = dynamic_cast<const pqxx::sql_error*>(&e);
            if (in_doubt && sql != nullptr && storage::sqlstate_of(*sql) == "23505") continue;
            if (in_doubt) give_up_start(p);
            free_.give(std::exchange(p.slots, 0));
            if (batch.size() == 1) {
                spdlog::error("a submission was refused by the database: {}", e.what());
                answer_all(batch, {errc::internal, "The database refused the submission. The server's log says why."});
                return next_round;
            }
            // One of them is at fault: alone, each shows whether it is the one.
            for (auto& each : batch) {
                std::vector<item> alone;
                alone.push_back(std::move(each));
                auto rest = commit_round(s, std::move(alone));
                for (auto& again : rest) next_round.push_back(std::move(again));
            }
            return next_round;
        }
    }
}

void submitter::give_up_start(plan& p)
{
    if (p.slots == 0) return;
    free_.give(std::exchange(p.slots, 0));
    owned_.arrived();
    tell_.start_in_doubt();
}

std::optional<storage::submit_reply> submitter::read_back(storage::session& s, plan& p)
{
    storage::array ids(storage::array::element::uuid);
    for (const auto& place : p.layout.places) ids.add(place.id);
    const auto stored = storage::stored_of(s, ids);
    if (stored.empty()) return std::nullopt;

    storage::submit_reply reply;
    storage::array lo(storage::array::element::uuid);
    std::map<execution_id, int> numbers;
    for (std::size_t x = 0; x < p.layout.extents.size(); ++x) {
        lo.add(p.layout.extents[x].lo);
        numbers[p.layout.extents[x].lo] = static_cast<int>(x) + 1;
    }
    if (p.owner.value != 0) {
        for (const auto& mine : storage::owned_of(s, p.owner, lo)) reply.owned.push_back(numbers.at(mine));
    }
    // What is not there although the rest is was left out for its key.
    const std::set<execution_id> there(stored.begin(), stored.end());
    for (std::size_t k = 0; k < p.layout.keys.size(); ++k) {
        const auto& key = p.layout.keys[k];
        if (there.contains(p.layout.ids[key.request][key.item])) continue;
        const auto& request = *p.requests[key.request];
        const auto& one = request.items[key.item];
        auto used = key.fingerprint ? storage::read_fingerprint(s, request.tenant, one.job->job, one.job->version, one.parameters)
                                    : storage::read_key(s, request.tenant, key.whole_request ? request.batch_key : one.idempotency_key,
                                                        key.whole_request ? request.batch_key_request : one.key_request);
        if (used) {
            used->key = static_cast<int>(k) + 1;
            reply.keys.push_back(std::move(*used));
        }
    }
    return reply;
}

void submitter::start_owned(plan& p, const std::vector<int>& owned)
{
    std::vector<assignment> work;
    for (const int number : owned) {
        const auto& x = p.layout.extents[static_cast<std::size_t>(number) - 1];
        owned_.add(x.lo, fence{1}, x.n, p.requests[p.layout.places[x.first].request]->tenant);
        for (std::size_t k = x.first; k < x.first + static_cast<std::size_t>(x.n); ++k) {
            const auto& place = p.layout.places[k];
            const submission& s = p.requests[place.request]->items[place.item];
            work.push_back({place.id, place.id, x.lo, x.n == 1, fence{1}, p.owner, s.job, 1, 0, s.priority, s.parameters, s.correlation_id, s.trace_parent, self_.database_now()});
        }
    }
    free_.give(p.slots - static_cast<int>(work.size()));
    counts_.started_eagerly.fetch_add(work.size(), std::memory_order_relaxed);
    if (!work.empty()) runs_.start(std::move(work));
}

void submitter::answer(storage::session& s, plan& p, std::vector<item>& batch, const storage::submit_reply& reply)
{
    counts_.submit_batches.fetch_add(1, std::memory_order_relaxed);
    std::vector<bool> started(p.layout.extents.size() + 1, false);
    for (const int number : reply.owned) started[static_cast<std::size_t>(number)] = true;

    std::vector<submit_answer> answers;
    const auto now = self_.database_now();
    for (std::size_t r = 0; r < batch.size(); ++r) {
        std::vector<submitted> all;
        all.reserve(batch[r].request.items.size());
        for (std::size_t i = 0; i < batch[r].request.items.size(); ++i) {
            const submission& one = batch[r].request.items[i];
            const execution_id id = p.layout.ids[r][i];
            const auto status = one.scheduled_time && *one.scheduled_time > now ? execution_status::pending : execution_status::queued;
            all.push_back({id, id, one.job->definition.job_id, one.job->version, status, false});
        }
        answers.emplace_back(std::move(all));
    }
    std::vector<bool> held(p.layout.extents.size() + 1, false);
    for (const int number : reply.held) held[static_cast<std::size_t>(number)] = true;
    std::vector<bool> skipped(p.layout.extents.size() + 1, false);
    for (const int number : reply.skipped) skipped[static_cast<std::size_t>(number)] = true;
    std::vector<execution_id> ended;
    for (const auto& place : p.layout.places) {
        const auto extent = static_cast<std::size_t>(place.extent);
        if (started[extent]) answers[place.request]->at(place.item).status = execution_status::running;
        else if (held[extent]) answers[place.request]->at(place.item).status = execution_status::pending;
        if (!skipped[extent]) continue;
        answers[place.request]->at(place.item).status = execution_status::skipped;
        ended.push_back(place.id);
    }
    if (!reply.keys.empty()) answer_keys(s, p, reply, answers);

    std::uint64_t stored = 0;
    std::size_t queued = 0;
    auto soonest = std::chrono::milliseconds::max();
    for (std::size_t r = 0; r < answers.size(); ++r) {
        if (!answers[r]) continue;
        for (std::size_t i = 0; i < answers[r]->size(); ++i) {
            const submitted& one = answers[r]->at(i);
            if (one.replayed) continue;
            ++stored;
            if (one.status == execution_status::queued) ++queued;
            const auto& at = batch[r].request.items[i].scheduled_time;
            if (one.status == execution_status::pending && at && *at > now) soonest = std::min(soonest, std::chrono::ceil<std::chrono::milliseconds>(*at - now));
        }
    }
    counts_.submitted.fetch_add(stored, std::memory_order_relaxed);
    // Started before anybody is told, so that the parameters can still be read from the requests.
    start_owned(p, reply.owned);
    for (std::size_t r = 0; r < batch.size(); ++r) waiter<submit_answer>::answer(std::move(batch[r].who), std::move(answers[r]));
    if (queued > 0 || soonest != std::chrono::milliseconds::max()) tell_.work_queued(queued, soonest);
    if (!ended.empty()) {
        counts_.ended[static_cast<std::size_t>(execution_status::skipped)].fetch_add(ended.size(), std::memory_order_relaxed);
        if (tell_.skipped) tell_.skipped(std::move(ended));
    }
}

void submitter::answer_keys(storage::session& s, const plan& p, const storage::submit_reply& reply, std::vector<submit_answer>& answers)
{
    storage::array ids(storage::array::element::uuid);
    for (const auto& used : reply.keys) {
        ids.add(used.execution);
        for (const auto& id : used.executions) ids.add(id);
    }
    std::map<execution_id, storage::replayed_execution> now;
    try {
        for (auto& found : storage::read_replayed(s, ids)) now.emplace(found.id, found);
    } catch (const std::exception& e) {
        spdlog::warn("replayed executions could not be read: {}", e.what());
        s.disconnect();
    }
    const auto replay = [&now](submitted& one, execution_id id) {
        one.replayed = true;
        one.id = one.run_id = id;
        if (const auto at = now.find(id); at != now.end()) {
            one.run_id = at->second.run_id;
            one.job_id = at->second.job_id;
            one.job_version = at->second.job_version;
            one.status = at->second.status;
        }
    };
    for (const auto& used : reply.keys) {
        const auto& key = p.layout.keys[static_cast<std::size_t>(used.key) - 1];
        auto& answer = answers[key.request];
        const auto& request = *p.requests[key.request];
        if (used.come_again) {
            if (answer) answer = error{errc::overloaded, "An equal submission is under way, in an SQL transaction that has not ended, or was refused at this moment. Try again.", {}, std::chrono::seconds{1}};
            continue;
        }
        if (!used.same_request) {
            const auto& text = key.whole_request ? request.batch_key : request.items[key.item].idempotency_key;
            error refused = answer ? error{errc::idempotency_key_reused, "The idempotency key was used before with another request; use a new key for a new request."}
                                   : answer.error();
            refused.fields.push_back({key.whole_request ? "idempotency_key" : request.items.size() == 1 ? "idempotency_key" : fmt::format("executions[{}].idempotency_key", key.item),
                                      fmt::format("\"{}\"", text), "was used before with another request"});
            answer = std::move(refused);
            continue;
        }
        if (!answer) continue;
        if (!key.whole_request) {
            replay(answer->at(key.item), used.execution);
            counts_.replayed.fetch_add(1, std::memory_order_relaxed);
        } else {
            for (std::size_t i = 0; i < answer->size() && i < used.executions.size(); ++i) replay(answer->at(i), used.executions[i]);
            counts_.replayed.fetch_add(answer->size(), std::memory_order_relaxed);
        }
    }
}

}
