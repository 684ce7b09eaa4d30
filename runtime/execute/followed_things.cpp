#include "runtime/execute/followed_things.hpp"

#include <algorithm>

namespace rowlock::runtime {

namespace {

using namespace std::chrono_literals;

// A commit may come through so long after its transaction began; until then a new execution is still looked for.
constexpr auto slowest_commit = 15s;
// So many new executions of a job are told in one look; more in the next.
constexpr int most_new_in_a_look = 2'000;
// A job that makes more executions than this within slowest_commit cannot be followed.
constexpr std::size_t most_seen = 200'000;
// Logs of one who has taken more than this without sending it on wait.
constexpr std::size_t much_backlog = 1u << 20;

}

void change_watch::followed_things::put(const interest_ptr& to, change one)
{
    if (to->is_gone()) return;
    one.token = to->token;
    to->who->put(std::move(one));
    wake_later(to->who);
}

void change_watch::followed_things::wake()
{
    for (const auto& each : with_mail_) {
        each->has_mail_ = false;
        change_follower::wake(each);
    }
    with_mail_.clear();
}

void change_watch::followed_things::wake_later(const std::shared_ptr<change_follower>& who)
{
    if (!std::exchange(who->has_mail_, true)) with_mail_.push_back(who);
}

void change_watch::followed_things::cut_off(const std::shared_ptr<change_follower>& who)
{
    who->cut_off_.store(true);
    wake_later(who);
}

void change_watch::followed_things::add(const interest_ptr& by, execution_id id, const storage::execution_state& known, bool follows_run)
{
    if (by->is_gone()) return;
    if (links_ >= most || by->who->links_ >= most_of_one) {
        cut_off(by->who);
        return;
    }
    auto [at, is_new] = executions_.try_emplace(id);
    if (is_new) at->second.known = known;
    at->second.links.push_back({by, follows_run});
    ++links_;
    ++by->who->links_;
}

void change_watch::followed_things::drop(execution& one)
{
    for (const auto& each : one.links) --each.by->who->links_;
    links_ -= one.links.size();
    one.links.clear();
}

result<void> change_watch::followed_things::begin(std::shared_ptr<change_follower> who, std::uint64_t token, tenant_key tenant, const follow_targets& targets, beginning found)
{
    if (links_ + targets.size() > most || who->links_ + targets.size() > most_of_one) {
        return error{errc::overloaded, "Too many executions are followed.", {}, 1s};
    }
    const auto by = std::make_shared<interest>(interest{std::move(who), token, tenant});
    interests_.push_back(by);
    const auto show_now = [&](std::vector<storage::shown_execution>& list, bool follows_run) {
        for (auto& each : list) {
            change first;
            first.execution = std::make_shared<const std::string>(std::move(each.json));
            put(by, std::move(first));
            if (!is_terminal(each.state.status)) add(by, each.id, each.state, follows_run);
            else if (follows_run && each.next) add(by, *each.next, {}, true);
        }
    };
    show_now(found.executions, false);
    show_now(found.attempts, true);
    for (const auto key : found.jobs) {
        auto [at, is_new] = jobs_.try_emplace(key);
        if (is_new) at->second.since = found.now;
        at->second.watchers.push_back({by, found.now});
    }
    for (const auto& id : targets.logs) logs_.push_back({by, id, 0, next_number_++});
    for (auto& each : found.plan_runs) {
        change first;
        first.plan_run = std::make_shared<const std::string>(std::move(each.json));
        put(by, std::move(first));
        if (each.state.ended) continue;
        auto [at, is_new] = plan_runs_.try_emplace(each.id);
        // Where somebody has been told of an older state, the next look tells everybody of this one.
        if (is_new) at->second.known = each.state;
        at->second.watchers.push_back(by);
    }
    return {};
}

void change_watch::followed_things::end(const change_follower& who, std::uint64_t token)
{
    for (const auto& each : interests_) {
        const auto one = each.lock();
        if (one && one->who.get() == &who && one->token == token) one->over = true;
    }
}

change_watch::followed_things::question change_watch::followed_things::ask()
{
    question asked;
    std::erase_if(interests_, [](const auto& each) { return each.expired(); });
    for (auto at = executions_.begin(); at != executions_.end();) {
        auto& links = at->second.links;
        std::erase_if(links, [this](const link& each) {
            if (!each.by->is_gone()) return false;
            --each.by->who->links_;
            --links_;
            return true;
        });
        if (links.empty()) {
            at = executions_.erase(at);
        } else {
            asked.known.push_back({at->first, at->second.known});
            ++at;
        }
    }
    std::size_t seen = 0;
    for (auto at = jobs_.begin(); at != jobs_.end();) {
        auto& one = at->second;
        if (one.seen.size() > most_seen) {
            for (const auto& each : one.watchers) cut_off(each.by->who);
        }
        std::erase_if(one.watchers, [](const job::watcher& each) { return each.by->is_gone(); });
        if (one.watchers.empty()) {
            at = jobs_.erase(at);
            continue;
        }
        seen = std::max(seen, one.seen.size());
        asked.jobs.push_back(at->first);
        asked.since.push_back(one.since);
        ++at;
    }
    asked.most_new = static_cast<int>(seen) + most_new_in_a_look;
    for (auto at = plan_runs_.begin(); at != plan_runs_.end();) {
        std::erase_if(at->second.watchers, [](const interest_ptr& by) { return by->is_gone(); });
        if (at->second.watchers.empty()) {
            at = plan_runs_.erase(at);
        } else {
            asked.plan_runs.push_back({at->first, at->second.known});
            ++at;
        }
    }
    std::erase_if(logs_, [](const log& each) { return each.by->is_gone(); });
    for (const auto& each : logs_) {
        if (each.by->who->backlog_.load(std::memory_order_relaxed) <= much_backlog) asked.logs.push_back({each.number, each.by->tenant, each.id, each.after});
    }
    return asked;
}

void change_watch::followed_things::tell(const std::vector<storage::shown_plan_run>& changed)
{
    for (const auto& each : changed) {
        const auto at = plan_runs_.find(each.id);
        if (at == plan_runs_.end() || at->second.known == each.state) continue;
        at->second.known = each.state;
        const auto text = std::make_shared<const std::string>(each.json);
        for (const auto& to : at->second.watchers) {
            change one;
            one.plan_run = text;
            put(to, std::move(one));
        }
        if (each.state.ended) plan_runs_.erase(at);
    }
}

std::vector<execution_id> change_watch::followed_things::hear(findings found)
{
    tell(found.plan_runs);
    for (const auto& each : found.fresh) {
        const auto at = jobs_.find(each.job);
        if (at == jobs_.end() || !at->second.seen.insert(each.id).second) continue;
        at->second.seen_in_order.emplace_back(each.submitted_at, each.id);
        // Once a look has shown it, it is followed like any other.
        fresh_.emplace(each.id, std::pair(each.job, each.submitted_at));
    }
    const std::unordered_set<execution_id> changed(found.changed.begin(), found.changed.end());
    std::vector<execution_id> to_show = std::move(found.changed);
    for (const auto& [id, of] : fresh_) {
        if (!changed.contains(id)) to_show.push_back(id);
    }
    // Those of a job in the order in which they were made.
    std::sort(to_show.begin(), to_show.end());
    for (auto& [key, one] : jobs_) {
        one.since = std::max(one.since, found.now - slowest_commit);
        // What came late stands behind what came in time, and is kept a little longer for it.
        while (!one.seen_in_order.empty() && one.seen_in_order.front().first < one.since) {
            one.seen.erase(one.seen_in_order.front().second);
            one.seen_in_order.pop_front();
        }
    }
    for (auto& [number, part] : found.logs) {
        const auto at = std::find_if(logs_.begin(), logs_.end(), [n = number](const log& each) { return each.number == n; });
        if (at == logs_.end()) continue;
        at->after = part.next;
        if (part.text.empty() && !part.ended) continue;
        change one;
        one.log_of = at->id;
        one.log = std::move(part.text);
        one.log_ended = part.ended;
        put(at->by, std::move(one));
        if (part.ended) logs_.erase(at);
    }
    return to_show;
}

bool change_watch::followed_things::show(std::vector<storage::shown_execution> now)
{
    bool more = false;
    for (auto& each : now) {
        const auto text = std::make_shared<const std::string>(std::move(each.json));
        const bool ended = is_terminal(each.state.status);
        const auto tell = [&](const interest_ptr& to) {
            change one;
            one.execution = text;
            put(to, std::move(one));
        };
        std::vector<interest_ptr> run_goes_on;
        if (const auto at = executions_.find(each.id); at != executions_.end() && at->second.known != each.state) {
            at->second.known = each.state;
            for (const auto& link : at->second.links) {
                tell(link.by);
                if (ended && each.next && link.follows_run) run_goes_on.push_back(link.by);
            }
            if (ended) {
                drop(at->second);
                executions_.erase(at);
            }
        }
        for (const auto& by : run_goes_on) add(by, *each.next, {}, true);
        more = more || !run_goes_on.empty();
        const auto fresh = fresh_.find(each.id);
        if (fresh == fresh_.end()) continue;
        const auto [key, submitted_at] = fresh->second;
        fresh_.erase(fresh);
        const auto job = jobs_.find(key);
        if (job == jobs_.end()) continue;
        for (const auto& watcher : job->second.watchers) {
            if (submitted_at < watcher.from) continue;
            tell(watcher.by);
            if (!ended) add(watcher.by, each.id, each.state, false);
        }
    }
    return more;
}

}
