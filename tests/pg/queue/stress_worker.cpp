#include "tests/pg/queue/stress_worker.hpp"

#include "storage/instance_store.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace rowlock::test {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t remembered = 400;
constexpr int attempts_allowed = 6;
constexpr int keys = 40;

// Of what an instance owns, what has not ended: it may not know of the claim, or of the settle.
constexpr storage::statement unfinished{"stress_unfinished", R"sql(
    select e.execution_id, e.attempt_number from executions e
    where e.execution_id between $1 and $2 and not exists (select 1 from results r where r.execution_id = e.execution_id))sql"};

constexpr storage::statement kept_of{"stress_kept", "select unnest(kept_ids) from extents where lo = $1"};

storage::session_options options_of(const stress_world& world)
{
    auto options = world.db.service_options();
    options.application_name = "stress worker";
    return options;
}

execution_id parsed(const pqxx::field& f)
{
    return *execution_id::parse(f.c_str());
}

}

stress_worker::stress_worker(const stress_world& world, int number)
    : world_(world), dice_(world.seed, static_cast<std::uint64_t>(number)), session_(options_of(world))
{
}

void stress_worker::run(std::stop_token over)
{
    while (!over.stop_requested()) {
        try {
            if (me_.value == 0) join();
            if (std::chrono::steady_clock::now() - renewed_ > world_.lease / 4) renew();
            step(over);
        } catch (const storage::lease_lost_error&) {
            note("lease lost");
            session_.disconnect();       // it may be in the middle of a transaction
            me_ = {};
        } catch (const std::exception& e) {
            if (storage::is_away(e)) {
                note("session broken");
                session_.disconnect();
                renewed_ = {};           // renews, and looks what it owns
            } else {
                log_.failures.emplace_back(e.what());
                session_.disconnect();
                if (log_.failures.size() > 20) return;
            }
        }
    }
}

void stress_worker::step(const std::stop_token& over)
{
    // In thousandths.
    const int what = dice_.between(0, 999);
    if (what < 80) submit(false);
    else if (what < 170) submit(true);
    else if (what < 460) claim_some();
    else if (what < 480) give_up_slots();
    else if (what < 790) settle_some(0.7);
    else if (what < 840) cancel_some();
    else if (what < 900) storage::tick(session_, me_, dice_.chance(0.5));
    else if (what < 955) take_over();
    else if (what < 960) drain();
    else if (what < 975) hand_back_some();
    else if (what < 980) storage::sweep(session_, 100);
    else if (what < 985) settle_slowly(over);
    else if (what < 990) claim_slowly(over);
    else if (what < 995) freeze(over);
    else die();
}

void stress_worker::join()
{
    owned_.clear();
    ledger_.clear();
    doubtful_.clear();
    to_cancel_.clear();
    renewed_ = std::chrono::steady_clock::now();
    // Every other time it is one of those that may not run all that comes.
    storage::instance_row row{.lease = world_.lease};
    if (dice_.chance(0.5)) {
        row.by_handler = {{"process", 15}};
        row.capacity.amounts[1] = 60;
    }
    me_ = storage::join_cluster(session_, row);
    note("joined");
}

// Mostly it is resumed soon.
void stress_worker::drain()
{
    const bool drains = dice_.chance(0.3);
    if (storage::drain(session_, me_, drains, "stress", "") == storage::drain_answer::done) note(drains ? "drained" : "resumed");
}

void stress_worker::renew()
{
    const auto now = std::chrono::steady_clock::now();
    if (!storage::renew_lease(session_, me_, world_.lease)) {
        note("declared dead");
        // What it still tries to end must be lost.
        settle_some(1);
        me_ = {};
        join();
        return;
    }
    renewed_ = now;
    adopt();
    for (const auto& r : storage::cancel_requests(session_, me_)) to_cancel_.insert(r.id);
}

// A claim whose answer was lost has left extents that this instance does not know of, and slots that it keeps.
void stress_worker::adopt()
{
    const int epoch = storage::begin_epoch(session_, me_);
    const auto all = storage::owned_extents(session_, me_);
    ledger_.find_strays(all);
    keeper_.recount(me_, epoch, storage::read_kept_slots(session_, me_));
    for (const auto& x : all) {
        if (owned_.contains({x.lo, x.fence})) continue;
        std::vector<limit_id> kept;
        for (const auto& row : session_.exec(kept_of, x.lo.str())) kept.push_back({row[0].as<int>()});
        ledger_.add(x.lo, x.fence, x.remaining, {}, kept);
        std::map<execution_id, int> attempts;
        for (const auto& row : session_.exec(unfinished, x.lo.str(), x.hi.str())) attempts[parsed(row[0])] = row[1].as<int>();
        take({x.lo, x.fence}, attempts, x.lo == x.hi);
        note("adopted");
    }
}

void stress_worker::take(const owned_key& key, const std::map<execution_id, int>& attempts, bool alone)
{
    owned_[key] = {attempts, alone};
    for (const auto& [id, n] : attempts) {
        log_.handed.push_back({id, key.second, me_});
        known_.push_back(id);
    }
    while (known_.size() > remembered) known_.pop_front();
}

void stress_worker::submit(bool eager)
{
    submission sent;
    std::vector<std::vector<execution_id>> extents;
    std::string key;
    execution_id keyed{};
    const int n = dice_.one_of<int>({1, 1, 1, 2, 5});
    for (int k = 1; k <= n; ++k) {
        const auto before = sent.ids().size();
        const bool delayed = !eager && dice_.chance(0.2);
        const auto& job = dice_.one_of(world_.jobs);
        sent.extent(job, dice_.one_of<int>({1, 1, 2, 10, 40}),
                    {.priority = dice_.one_of<int>({0, 0, 0, 3, -2}),
                     .eligible = delayed ? std::optional(wall_clock() + std::chrono::milliseconds(dice_.between(0, 2000))) : std::nullopt, .unit = k});
        if (key.empty() && dice_.chance(0.15)) {
            key = fmt::format("key-{}", dice_.between(1, keys));
            keyed = sent.ids().back();
            sent.key(default_tenant, key, R"({"same": true})", k);
        }
        extents.emplace_back(sent.ids().begin() + static_cast<std::ptrdiff_t>(before), sent.ids().end());
    }

    bool replayed = false;
    std::vector<int> mine;
    try {
        const auto reply = sent.commit(session_, eager ? me_ : instance_id{}, eager ? 200 : 0);
        mine = reply.owned;
        for (const auto& k : reply.keys) {
            replayed = true;
            if (!k.same_request) log_.failures.emplace_back("a key conflicts with its own request");
            log_.keys.emplace_back(key, k.execution);
        }
    } catch (const std::exception& e) {
        if (!storage::is_away(e)) throw;
        note("submit in doubt");
        session_.disconnect();
        storage::array asked(storage::array::element::uuid);
        for (const auto& id : sent.ids()) asked.add(id);
        for (int tries = 0;; ++tries) {
            try {
                const auto stored = storage::stored_of(session_, asked);
                if (stored.empty()) return;
                replayed = !key.empty() && std::find(stored.begin(), stored.end(), keyed) == stored.end();
                if (stored.size() != sent.ids().size() - (replayed ? 1 : 0)) log_.failures.emplace_back("a commit in doubt was stored in part");
                break;
            } catch (const std::exception& again) {
                if (!storage::is_away(again) || tries > 20) throw;
                session_.disconnect();
            }
        }
    }
    if (!key.empty() && !replayed) log_.keys.emplace_back(key, keyed);
    for (const auto& id : sent.ids()) {
        if (replayed && id == keyed) continue;
        log_.accepted.push_back(id);
    }
    for (const auto& x : extents) {
        if (!(replayed && x.front() == keyed)) known_.push_back(x.front());
    }
    for (const int k : mine) {
        std::map<execution_id, int> attempts;
        for (const auto& id : extents[static_cast<std::size_t>(k) - 1]) attempts[id] = 1;
        take({extents[static_cast<std::size_t>(k) - 1].front(), fence{1}}, attempts, attempts.size() == 1);
        note("started at once");
    }
}

std::vector<storage::claimed_extent> stress_worker::claim_shares(int budget)
{
    std::vector<storage::claim_share> shares;
    const auto seen = storage::see_lanes(session_, me_, {}, dice_.one_of<int>({1, 3, 16}), keeper_.offered(), dice_.chance(0.5) ? budget : 0);
    if (!seen.extents.empty()) {
        note("claimed on sight");
        return seen.extents;
    }
    for (const auto& each : seen.lanes) {
        shares.push_back({{{each.lane, std::nullopt}}, dice_.between(1, 20), dice_.chance(0.5) ? std::optional(dice_.between(1, 3)) : std::nullopt});
    }
    note("shared out");
    return shares.empty() ? std::vector<storage::claimed_extent>{} : storage::claim_shares(session_, me_, shares, budget, keeper_.offered());
}

void stress_worker::claim_some()
{
    const int budget = dice_.one_of<int>({1, 3, 20, 100});
    keeper_.offer(me_);
    const auto extents = dice_.chance(0.3) ? claim_shares(budget)
                                           : storage::claim_next(session_, me_, {dice_.chance(0.7) ? 0 : dice_.one_of(world_.jobs).lane.value}, dice_.one_of<int>({1, 5, 16}), budget, false, keeper_.offered()).extents;
    keeper_.claimed(extents);
    for (const auto& x : extents) ledger_.add(x.lo, x.fence, x.remaining, {}, x.kept);
    if (std::any_of(extents.begin(), extents.end(), [](const auto& x) { return !x.kept.empty(); })) note("claimed within what is kept");
    int claimed = 0;
    for (const auto& x : extents) {
        claimed += x.remaining;
        // Claimed it is, whether the following read comes through or not.
        std::map<execution_id, int> attempts;
        for (const auto& id : ids_in(x.lo, x.hi)) attempts[id] = attempts_allowed;
        take({x.lo, x.fence}, attempts, x.lo == x.hi);
        note("claimed");
    }
    if (claimed > budget) log_.failures.push_back(fmt::format("{} claimed, {} wanted", claimed, budget));
    if (extents.empty()) return;
    std::size_t read = 0;
    for (const auto& e : storage::read_executions(session_, extents)) {
        const auto& x = extents[static_cast<std::size_t>(e.extent)];
        owned_[{x.lo, x.fence}].attempts[e.id] = e.attempt_number;
        ++read;
    }
    if (read != static_cast<std::size_t>(claimed)) log_.failures.push_back(fmt::format("a claimed extent is not whole: {} of {}", read, claimed));
}

std::optional<stress_worker::planned_settle> stress_worker::plan_settle(double share)
{
    planned_settle plan;
    // Those that are alone in their extents, under one fence: a commit of its own kind.
    const auto first = std::find_if(owned_.begin(), owned_.end(), [](const auto& one) { return one.second.alone && !one.second.attempts.empty(); });
    const bool alone = first != owned_.end() && dice_.chance(0.5);
    if (alone) note("settled alone");
    std::vector<owned_key> order;
    for (const auto& [key, x] : owned_) order.push_back(key);
    if (dice_.chance(0.3)) dice_.shuffle(order);
    for (const auto& key : order) {
        const owned& x = owned_.at(key);
        if (x.attempts.empty() || !dice_.chance(share) || (alone && (!x.alone || key.second != first->first.second))) continue;
        std::vector<execution_id> part;
        for (const auto& [id, n] : x.attempts) part.push_back(id);
        dice_.shuffle(part);
        if (dice_.chance(0.5)) part.resize(static_cast<std::size_t>(dice_.between(1, static_cast<int>(part.size()))));
        if (!alone) plan.columns.from(key.first, key.second);
        const auto end = [&](const execution_id& id, execution_status status) -> ends& {
            return alone ? plan.columns.alone(id, key.second, status) : plan.columns.end(id, status);
        };
        for (const auto& id : part) {
            if (to_cancel_.contains(id)) {
                end(id, execution_status::cancelled).clean();
            } else if (dice_.chance(0.12)) {
                auto& failed = end(id, execution_status::failed);
                if (x.attempts.at(id) < attempts_allowed) failed.retried(first_of_new_block(), std::chrono::milliseconds(dice_.one_of<int>({0, 0, 300, 1500})));
            } else {
                end(id, execution_status::completed);
            }
            plan.members.emplace_back(key, id);
        }
    }
    if (plan.members.empty()) return std::nullopt;
    return plan;
}

void stress_worker::account(const planned_settle& plan, const std::vector<execution_id>& lost)
{
    for (const auto& [key, id] : plan.members) {
        const bool is_lost = std::find(lost.begin(), lost.end(), key.first) != lost.end();
        if (!is_lost) ledger_.settled(key.first, key.second, 1);
        if (!doubtful_.contains(key)) (is_lost ? log_.lost : log_.ended).push_back({id, key.second, me_});
        if (const auto at = owned_.find(key); at != owned_.end()) {
            if (is_lost) ledger_.forget(key.first, key.second, static_cast<int>(at->second.attempts.size()));
            at->second.attempts.erase(id);
            if (is_lost || at->second.attempts.empty()) owned_.erase(at);
        }
        to_cancel_.erase(id);
    }
    note(lost.empty() ? "settled" : "settled, some lost");
}

void stress_worker::settle_now(planned_settle& plan)
{
    const auto again = [&] { return std::any_of(plan.members.begin(), plan.members.end(), [&](const auto& m) { return doubtful_.contains(m.first); }); };
    for (int tries = 0;; ++tries) {
        try {
            account(plan, plan.columns.commit(session_, me_, again()));
            return;
        } catch (const std::exception& e) {
            if (!storage::is_away(e) || tries > 20) throw;
            note("settle in doubt");
            session_.disconnect();
            for (const auto& [key, id] : plan.members) doubtful_.insert(key);
        }
    }
}

void stress_worker::settle_some(double share)
{
    if (auto plan = plan_settle(share)) settle_now(*plan);
}

// Holds its row locks without a commit, past its lease perhaps.
void stress_worker::settle_slowly(const std::stop_token& over)
{
    auto plan = plan_settle(0.3);
    if (!plan) return;
    for (const auto& [key, id] : plan->members) doubtful_.insert(key);
    session_.run("begin");
    const auto lost = plan->columns.commit(session_, me_, true);
    idle(over, std::chrono::milliseconds(dice_.between(10, 1500)));
    if (dice_.chance(0.3)) {
        session_.run("rollback");
        return;
    }
    session_.run("commit");
    account(*plan, lost);
}

// As if its answer were slow: the claim is under way while the lease ends. What it takes is adopted, or taken over.
void stress_worker::claim_slowly(const std::stop_token& over)
{
    session_.run("begin");
    storage::claim_next(session_, me_, {}, 16, dice_.between(1, 50), false, &keeper_.offer(me_));
    idle(over, std::chrono::milliseconds(dice_.between(10, 1500)));
    session_.run(dice_.chance(0.3) ? "rollback" : "commit");
    renewed_ = {};
}

void stress_worker::cancel_some()
{
    for (int n = dice_.one_of<int>({1, 1, 3}); n > 0 && !known_.empty(); --n) {
        // Of the latest, so that it is in time as often as not.
        const int last = static_cast<int>(known_.size()) - 1;
        const auto& id = known_[static_cast<std::size_t>(dice_.between(std::max(0, last - 40), last))];
        const auto answer = storage::cancel(session_, default_tenant, id, "stress", "by chance");
        if (answer.found) log_.cancelled.push_back(id);
        note(answer.ended ? "cancelled" : answer.found ? "cancel requested" : "cancelled too late");
    }
}

void stress_worker::hand_back_some()
{
    storage::array lo(storage::array::element::uuid);
    storage::array fences(storage::array::element::int4);
    auto late = plan_settle(0.5);
    if (!late) return;
    std::set<owned_key> gone;
    for (const auto& [key, id] : late->members) gone.insert(key);
    for (const auto& key : gone) {
        lo.add(key.first);
        fences.add(key.second.value);
    }
    storage::hand_back(session_, me_, lo, fences, "stress");
    note("handed back");
    for (const auto& key : gone) {
        ledger_.forget(key.first, key.second, static_cast<int>(owned_[key].attempts.size()));
        owned_.erase(key);
    }
    settle_now(*late);
}

void stress_worker::take_over()
{
    if (storage::declare_dead(session_, me_, false) > 0) note("declared others dead");
    const int budget = dice_.one_of<int>({1, 7, 100});
    const int n = storage::takeover(session_, me_, priority_age, budget);
    log_.counts["taken over"] += n;
    if (n > budget) log_.failures.push_back(fmt::format("{} taken over, {} wanted", n, budget));
}

void stress_worker::give_up_slots()
{
    if (dice_.chance(0.1)) storage::want_slots(session_, me_);
    const auto idle = keeper_.idle();
    if (idle.empty()) return;
    storage::give_up_kept_slots(session_, me_, keeper_.epoch(), idle);
    keeper_.given_up(idle);
    note("given up slots");
}

void stress_worker::die()
{
    note("died");
    session_.disconnect();
    me_ = {};
}

void stress_worker::freeze(const std::stop_token& over)
{
    note("froze");
    idle(over, std::chrono::milliseconds(dice_.between(500, 2500)));
    for (int i = 0; i < 3; ++i) settle_some(1);
}

}
