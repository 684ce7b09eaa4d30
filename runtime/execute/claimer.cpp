#include "runtime/execute/claimer.hpp"

#include "runtime/execute/crash_point.hpp"
#include "runtime/execute/pause.hpp"
#include "runtime/execute/unheard.hpp"
#include "storage/dependency_store.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <spdlog/spdlog.h>

namespace rowlock::runtime {

namespace {

// A claim is one transaction, and its executions are read into memory at once.
constexpr int max_claim = 2000;
constexpr int max_lanes = 256;
// Of many tenants each may have a little.
constexpr std::size_t max_shared_lanes = 1024;
// While looks from the front are dear there is one after this many times what finding the lanes took, which is a third of what it costs.
constexpr int look_share = 100;
constexpr std::chrono::seconds longest_without_look{1};
constexpr std::chrono::milliseconds looked_lately{250};
// While tenants share, at most a fifth of the time goes into looking at lanes, and half of it when what was seen is taken. Rounds that claimed nothing on sight do not come more
// often than this.
constexpr int sharing_look_share = 4;
constexpr std::chrono::milliseconds shortest_between_looks{20};
constexpr int lanes_a_look = 1024;
// One that takes longer is not made with slots in hand.
constexpr std::chrono::milliseconds long_look{20};
constexpr std::size_t most_known_lanes = 1'000'000;
constexpr std::chrono::milliseconds between_wants{250};
constexpr std::chrono::seconds between_doubts{1};

}

claimer::claimer(storage::session_options session, identity& self, slots& free, ledger& owned, lane_floors& floors, waiting_tenants& waiting, catalog& jobs, executor& runs,
                 counters& counts, bool share_fairly, listeners tell)
    : self_(self), free_(free), owned_(owned), jobs_(jobs), runs_(runs), counts_(counts), floors_(floors), waiting_(waiting), share_fairly_(share_fairly), tell_(std::move(tell)), keeper_(owned),
      thread_([this, session] { work(session); })
{
}

void claimer::wake()
{
    const std::lock_guard lock(mutex_);
    if (std::exchange(told_, true)) return;
    changed_.notify_one();
}

void claimer::slots_freed()
{
    const std::lock_guard lock(mutex_);
    if (told_ || owes_look_ || keeps_slots_) changed_.notify_one();
}

bool claimer::wants_to_know() const
{
    return self_.may_start() && free_.available() > 0 && steady_clock::now() - deadline{steady_clock::duration{last_round_.load(std::memory_order_relaxed)}} >= looked_lately;
}

void claimer::doubt()
{
    const std::lock_guard lock(mutex_);
    in_doubt_ = true;
    changed_.notify_one();
}

void claimer::stop()
{
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        changed_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
}

claimer::task claimer::next_task(found last)
{
    std::unique_lock lock(mutex_);
    told_ = told_ || last == found::something;
    owes_look_ = last == found::nothing_near;
    keeps_slots_ = keeper_.keeps_some();
    for (;;) {
        if (stopping_) return task::stop;
        if (std::exchange(in_doubt_, false)) return task::resolve_doubt;
        const auto stale_at = keeper_.stale_at(steady_clock::now());
        if (stale_at && steady_clock::now() >= *stale_at) return task::give_up_slots;
        if (told_ && free_.available() > 0) {
            told_ = false;
            return task::claim;
        }
        auto look_at = next_start_.value_or(deadline::max());
        if (owes_look_ && free_.available() > 0) look_at = std::min(look_at, next_look_);
        const auto until = std::min({look_at, stale_at.value_or(deadline::max()), doubts_again_.value_or(deadline::max())});
        if (until == deadline::max()) {
            changed_.wait(lock);
        } else if (changed_.wait_until(lock, until) == std::cv_status::timeout) {
            if (until == look_at) {
                told_ = true;
                next_start_.reset();
            } else if (until == doubts_again_) {
                in_doubt_ = true;
            }
        }
    }
}

void claimer::work(storage::session_options options)
{
    storage::session s(std::move(options));
    reconnect_pause wait;
    auto last = found::nothing;
    for (;;) {
        const auto what = next_task(last);
        if (what == task::stop) return;
        bool doubtful = what == task::resolve_doubt;
        try {
            if (what == task::give_up_slots) {
                give_up(s, keeper_.stale(steady_clock::now()));
            } else {
                if (doubtful) resolve_doubt(s);
                last = claim_once(s);
            }
            wait.reset();
        } catch (const storage::lease_lost_error&) {
            last = found::nothing;      // the lease service joins anew, and wakes us
        } catch (const std::exception& e) {
            counts_.database_errors.fetch_add(1, std::memory_order_relaxed);
            if (storage::is_away(e)) {
                // It may have been committed all the same.
                s.disconnect();
                doubtful = true;
            } else if (storage::is_passing(e)) {
                spdlog::warn("a claim was given up, and is tried again: {}", e.what());
            } else {
                spdlog::error("a claim failed: {}", e.what());
            }
            // Nor does one that is no error of the database say that nothing was committed; and what cannot be given up is counted anew.
            if (doubtful || what == task::give_up_slots || !dynamic_cast<const pqxx::sql_error*>(&e)) doubt();
            last = found::something;
            wait.pause();
        }
    }
}

void claimer::give_up(storage::session& s, const std::vector<storage::kept_slots>& idle)
{
    if (idle.empty()) return;
    crash_point("kept_slots.before_give_up");
    storage::give_up_kept_slots(s, keeper_.owner(), keeper_.epoch(), idle);
    counts_.statements.fetch_add(1, std::memory_order_relaxed);
    keeper_.given_up(idle);
    if (tell_.slots_given_up) tell_.slots_given_up();
}

void claimer::resolve_doubt(storage::session& s)
{
    const instance_id owner = self_.id();
    const int epoch = storage::begin_epoch(s, owner);
    // This thread is the only one that claims, and it does not: what the ledger does not know now, nobody will hear of.
    const bool rests = self_.rests();
    const int n = rests ? hand_back_unheard(s, owner, owned_, {}, "the instance starts nothing more") : hand_back_unheard(s, owner, owned_, {});
    counts_.statements.fetch_add(2, std::memory_order_relaxed);
    const bool strays = owned_.has_strays();
    if (strays) owned_.find_strays(storage::owned_extents(s, owner));
    keeper_.recount(owner, epoch, storage::read_kept_slots(s, owner));
    doubts_again_.reset();
    if (owned_.has_strays()) doubts_again_ = steady_clock::now() + between_doubts;
    if (n == 0) return;
    counts_.handed_back.fetch_add(static_cast<std::uint64_t>(n), std::memory_order_relaxed);
    if (rests && tell_.handed_back) tell_.handed_back();
    spdlog::info("{} executions that {} are handed back", n, rests ? "wait for others" : "were claimed without an answer");
}

std::vector<storage::claimed_extent> claimer::look(storage::session& s, instance_id owner, int budget)
{
    if (cursor_.value == 0) {
        seen_.clear();
        looked_ = {};
        round_began_ = self_.database_now();
    }
    auto answer = storage::claim_next(s, owner, cursor_, max_lanes, budget, share_fairly_, keeper_.offered());
    seen_.insert(seen_.end(), answer.lanes.begin(), answer.lanes.end());
    for (const auto& each : answer.lanes) {
        tenants_[each.lane] = each.tenant;
        sharing_ = sharing_ || (share_fairly_ && each.tenant != seen_.front().tenant);
    }
    looked_ += answer.looked;
    next_start_.reset();
    if (answer.next_start_in) next_start_ = steady_clock::now() + *answer.next_start_in;
    cursor_ = answer.next_after;
    if (sharing_) {
        shares_.begin_round();
        shares_.end_round();
        cursor_ = {};
        next_look_ = {};
        waiting_.several();
    } else if (cursor_.value == 0) {
        end_round();
        if (seen_.empty()) waiting_.nobody();
        else waiting_.only(seen_.front().tenant);
    }
    return std::move(answer.extents);
}

void claimer::end_round()
{
    floors_.seen(seen_, *round_began_, looked_);
    knows_of_more_.store(!seen_.empty(), std::memory_order_relaxed);
    const auto now = steady_clock::now();
    next_look_ = floors_.any() ? now + std::min<steady_clock::duration>(look_share * looked_, longest_without_look) : now;
    last_round_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    if (tenants_.size() > most_known_lanes) tenants_.clear();
}

bool claimer::looks_on() const { return round_ && shares_.tenants() < max_shared_lanes; }

std::vector<storage::claimed_extent> claimer::look_at_page(storage::session& s, instance_id owner, int budget)
{
    if (!round_) {
        round_ = fair_round{.shared_out = !shares_.empty()};
        seen_.clear();
        looked_ = {};
        next_start_.reset();
        round_began_ = self_.database_now();
        shares_.begin_round();
    }
    fair_round& round = *round_;
    // On sight nobody is asked whose turn it is: only while all that was seen could be started.
    const bool on_sight_too = !round.shared_out && shares_.empty();
    const auto began = steady_clock::now();
    auto page = storage::see_lanes(s, owner, round.next, lanes_a_look, keeper_.offered(), on_sight_too ? budget : 0);
    const auto took = steady_clock::now() - began;
    round.next_page = steady_clock::now() + sharing_look_share * took;
    counts_.statements.fetch_add(1, std::memory_order_relaxed);
    looked_ += page.looked;
    last_page_ = page.looked;
    if (page.next_start_in) next_start_ = steady_clock::now() + *page.next_start_in;
    std::unordered_map<lane_id, int> on_sight;
    for (const auto& x : page.extents) on_sight[x.lane] += x.remaining;
    for (const auto& each : page.lanes) {
        if (!page.on_sight || !each.open) seen_.push_back({each.lane, each.head, each.tenant});
        if (!each.open) continue;
        tenants_[each.lane] = each.tenant;
        if (!round.first) round.first = each.tenant;
        if (const auto at = on_sight.find(each.lane); at != on_sight.end()) shares_.served(each, at->second);
    }
    // Of a page that was claimed on sight others may have had some.
    if (!page.on_sight) shares_.seen(page.lanes);
    if (!page.lanes.empty()) round.took += took * static_cast<int>(page.lanes.size() - on_sight.size()) / static_cast<int>(page.lanes.size());
    round.claimed = round.claimed || !page.extents.empty();
    if (page.next) round.next = *page.next;
    else end_fair_round();
    return std::move(page.extents);
}

void claimer::end_fair_round()
{
    end_round();
    shares_.end_round();
    sharing_ = shares_.tenants_seen() > 1;
    const auto now = steady_clock::now();
    const auto least = round_->claimed ? steady_clock::duration{} : shortest_between_looks;
    const auto rested = now + std::max<steady_clock::duration>(sharing_look_share * round_->took, least);
    next_look_ = sharing_ ? rested : std::max(next_look_, rested);
    look_when_taken_ = now + std::max<steady_clock::duration>(round_->took, least);
    if (sharing_) waiting_.several();
    else if (!round_->first) waiting_.nobody();
    else waiting_.only(*round_->first);
    round_.reset();
}

claimer::some claimer::claim_fairly(storage::session& s, instance_id owner, int budget)
{
    if (shares_.empty() && shares_.tenants_seen() == 0) return {{}, sharing_ ? found::nothing_near : found::nothing};
    if (shares_.empty()) {
        // What was used up is looked at again, but not at once.
        next_look_ = std::min(next_look_, look_when_taken_);
        return {{}, found::nothing_near};
    }
    const auto running = owned_.running();
    const auto asked = shares_.choose(budget, max_shared_lanes, [&running](tenant_key tenant) {
        const auto at = running.find(tenant);
        return at == running.end() ? 0 : at->second;
    });
    std::vector<storage::claim_share> shares;
    for (const auto& one : asked) {
        storage::claim_share share{{}, one.most, one.extents};
        // The floors are as old as the last whole round; what was seen since may stand below.
        for (const auto& each : one.lanes) {
            const auto floor = floors_.of(each.lane);
            share.lanes.emplace_back(each.lane, floor ? std::optional(std::min(*floor, each.head)) : std::nullopt);
        }
        shares.push_back(std::move(share));
    }
    some made{storage::claim_shares(s, owner, shares, budget, keeper_.offered())};
    counts_.statements.fetch_add(1, std::memory_order_relaxed);
    shares_.claimed(asked, made.extents, budget);
    return made;
}

claimer::some claimer::claim_best(storage::session& s, instance_id owner, int budget)
{
    // A round of looks that has begun is gone on with.
    const bool mid_round = cursor_.value != 0;
    const auto near = mid_round || steady_clock::now() >= next_look_ ? std::vector<storage::seen_lane>{} : floors_.all();
    counts_.statements.fetch_add(1, std::memory_order_relaxed);
    some made{near.empty() ? look(s, owner, budget) : storage::claim_from(s, owner, near, budget, keeper_.offered())};
    if (!made.extents.empty()) return made;
    if (!near.empty()) {
        made.otherwise = found::nothing_near;
    } else if (cursor_.value == 0 && !mid_round && !sharing_) {
        // A round that found nothing from the middle on goes on at the front. What is seen, and not to be had, may not start.
        made.otherwise = found::nothing;
        waiting_.nobody();
    }
    return made;
}

claimer::found claimer::claim_once(storage::session& s)
{
    const instance_id owner = self_.id();
    if (!self_.may_start() || owner.value == 0) return found::nothing;
    const bool shares = sharing_ || round_ || !shares_.empty();
    const bool looks = shares && free_.available() > 0 && (looks_on() || steady_clock::now() >= (round_ ? round_->next_page : next_look_));
    const bool first = last_page_ > long_look;
    keeper_.offer(owner);
    // Others may have the slots meanwhile.
    if (looks && first) look_at_page(s, owner, 0);
    const int budget = free_.take(max_claim);
    if (budget == 0) return found::something;
    some claimed;
    int taken = 0;
    try {
        crash_point("claim.before_commit");
        if (looks && !first) claimed.extents = look_at_page(s, owner, budget);
        if (claimed.extents.empty() && !looks_on()) claimed = shares ? claim_fairly(s, owner, budget) : claim_best(s, owner, budget);
        for (const auto& x : claimed.extents) taken += x.remaining;
        free_.give(budget - taken);
        keeper_.claimed(claimed.extents);
        if (taken > 0) {
            crash_point("claim.after_commit");
            counts_.claims.fetch_add(1, std::memory_order_relaxed);
            counts_.claimed.fetch_add(static_cast<std::uint64_t>(taken), std::memory_order_relaxed);
            start(s, owner, claimed.extents);
        }
    } catch (...) {
        // What was claimed and could not be started is nobody's: the lease service hands it back.
        free_.give(taken == 0 ? budget : taken);
        throw;
    }
    want_slots(s, owner);
    return taken > 0 ? found::something : claimed.otherwise;
}

void claimer::want_slots(storage::session& s, instance_id owner)
{
    const auto now = steady_clock::now();
    if (seen_.empty() || now < next_want_) return;
    next_want_ = now + between_wants;
    storage::want_slots(s, owner);
    counts_.statements.fetch_add(1, std::memory_order_relaxed);
}

void claimer::start(storage::session& s, instance_id owner, const std::vector<storage::claimed_extent>& extents)
{
    for (const auto& x : extents) {
        const auto whose = tenants_.find(x.lane);
        owned_.add(x.lo, x.fence, x.remaining, whose == tenants_.end() ? tenant_key{} : whose->second, x.kept);
    }
    reconnect_pause wait;
    for (;;) {
        try {
            auto work = read_work(s, owner, extents);
            runs_.start(std::move(work));
            return;
        } catch (const std::exception& e) {
            // They are ours: they are read as soon as the database is there again.
            if (!storage::is_away(e) && !storage::is_passing(e)) {
                for (const auto& x : extents) owned_.forget(x.lo, x.fence, x.remaining);
                doubt();
                throw;
            }
            counts_.database_errors.fetch_add(1, std::memory_order_relaxed);
            s.disconnect();
            const std::lock_guard lock(mutex_);
            if (stopping_) return;
        }
        wait.pause();
    }
}

// What is not in memory by one statement: where many schedules are due at once, each execution is of another job.
std::vector<job_version_ptr> claimer::definitions_of(storage::session& s, const std::vector<storage::claimed_execution>& read)
{
    std::vector<job_version_ptr> found;
    found.reserve(read.size());
    std::map<std::pair<job_key, int>, job_version_ptr> missing;
    for (const auto& e : read) {
        found.push_back(jobs_.cached(e.job, e.job_version));
        if (!found.back()) missing.try_emplace({e.job, e.job_version});
    }
    if (missing.empty()) return found;
    std::vector<std::pair<job_key, int>> wanted;
    wanted.reserve(missing.size());
    for (const auto& [key, none] : missing) wanted.push_back(key);
    for (auto& each : jobs_.load_now(s, wanted)) missing[{each->job, each->version}] = std::move(each);
    counts_.statements.fetch_add(1, std::memory_order_relaxed);
    for (std::size_t i = 0; i < read.size(); ++i) {
        if (!found[i]) found[i] = missing.at({read[i].job, read[i].job_version});
        if (!found[i]) throw std::logic_error(fmt::format("job {} has no version {}", read[i].job.value, read[i].job_version));
    }
    return found;
}

std::vector<assignment> claimer::read_work(storage::session& s, instance_id owner, const std::vector<storage::claimed_extent>& extents)
{
    auto read = storage::read_executions(s, extents);
    counts_.statements.fetch_add(1, std::memory_order_relaxed);
    auto definitions = definitions_of(s, read);
    std::vector<assignment> work;
    work.reserve(read.size());
    storage::array dependents(storage::array::element::uuid);
    for (std::size_t i = 0; i < read.size(); ++i) {
        auto& e = read[i];
        auto& job = definitions[i];
        const auto& extent = extents[static_cast<std::size_t>(e.extent)];
        if (job->definition.waits()) dependents.add(e.id);
        work.push_back({e.id, e.run_id, extent.lo, extent.lo == extent.hi, extent.fence, owner, std::move(job), e.attempt_number, e.lost_count, e.priority, std::move(e.parameters),
                        std::move(e.correlation_id), std::move(e.trace_parent), extent.claimed_at, e.in_plan, e.scheduled_time, std::move(e.refusal)});
    }
    if (dependents.size() > 0) {
        const auto given = storage::parameters_with_upstream(s, dependents);
        counts_.statements.fetch_add(1, std::memory_order_relaxed);
        for (auto& each : work) {
            if (const auto at = given.find(each.id); at != given.end()) each.parameters = at->second;
        }
    }
    return work;
}

}
