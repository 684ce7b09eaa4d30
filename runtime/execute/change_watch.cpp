#include "runtime/execute/change_watch.hpp"

#include "runtime/async/task_group.hpp"
#include "runtime/execute/followed_things.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>
#include <map>

namespace rowlock::runtime {

namespace {

using namespace std::chrono_literals;
using storage::array;

// How soon is seen what this instance has done, and what others have.
constexpr steady_clock::duration glance = 10ms;
constexpr steady_clock::duration own_gap = 20ms;
constexpr steady_clock::duration poll_gap = 500ms;
// Looks take at most such a share of one session's time.
constexpr int rest_after_own = 2;
constexpr int rest_after_poll = 4;
constexpr std::size_t in_a_statement = 1'000;
constexpr std::int64_t log_part_bytes = 64 * 1024;

execution_id as_execution_id(execution_id id)
{
    return id;
}
execution_id as_execution_id(const uuid& id)
{
    return {id};
}

template <class Id, class Read>
void in_chunks(const std::vector<Id>& ids, Read read)
{
    for (std::size_t first = 0; first < ids.size(); first += in_a_statement) {
        array some(array::element::uuid);
        for (std::size_t i = first; i < std::min(ids.size(), first + in_a_statement); ++i) some.add(as_execution_id(ids[i]));
        read(some);
    }
}

std::vector<storage::shown_execution> read_all_shown(storage::session& s, const std::vector<execution_id>& ids)
{
    std::vector<storage::shown_execution> all;
    in_chunks(ids, [&](array& some) {
        for (auto& one : storage::read_shown(s, some)) all.push_back(std::move(one));
    });
    return all;
}

// Notes each of `asked` that is not in `found`.
template <class Id, class Text>
void note_missing(std::vector<field_error>& missing, std::string_view list, const std::vector<Id>& asked, const std::vector<Id>& found, std::string_view what, Text text)
{
    for (std::size_t i = 0; i < asked.size(); ++i) {
        if (std::find(found.begin(), found.end(), asked[i]) == found.end()) missing.push_back({fmt::format("{}[{}]", list, i), fmt::format("\"{}\"", text(asked[i])), fmt::format("is not the id of {}", what)});
    }
}

// In the order that was asked for.
std::vector<storage::shown_execution> in_order(std::vector<storage::shown_execution> shown, const std::vector<execution_id>& order)
{
    std::vector<storage::shown_execution> all;
    for (const auto& id : order) {
        const auto at = std::find_if(shown.begin(), shown.end(), [&id](const auto& one) { return one.id == id && !one.json.empty(); });
        if (at == shown.end()) continue;
        all.push_back(std::move(*at));
        at->json.clear();
    }
    return all;
}

}

change_watch::change_watch(database& db, core& home, const counters& done_here)
    : db_(db), home_(home), done_here_(done_here), begun_(home.executor()), all_(std::make_unique<followed_things>())
{
}

change_watch::~change_watch() = default;

awaitable<result<void>> change_watch::follow(std::shared_ptr<change_follower> who, std::uint64_t token, tenant_key tenant, follow_targets targets)
{
    using beginning = followed_things::beginning;
    auto found = co_await db_.read([tenant, targets](storage::session& s) -> result<beginning> {
        beginning first;
        std::vector<field_error> missing;
        const auto as_text = [](const execution_id& id) { return id.str(); };
        const auto of_tenant = [&](std::string_view list, const std::vector<execution_id>& ids) {
            std::vector<execution_id> there;
            in_chunks(ids, [&](array& some) {
                for (const auto& id : storage::executions_of(s, tenant, some)) there.push_back(id);
            });
            note_missing(missing, list, ids, there, "an execution", as_text);
        };
        of_tenant("executions", targets.executions);
        of_tenant("logs", targets.logs);
        std::vector<execution_id> runs;
        std::vector<execution_id> attempts;
        in_chunks(targets.runs, [&](array& some) {
            for (const auto& one : storage::last_attempts(s, tenant, some)) {
                runs.push_back(one.run);
                attempts.push_back(one.last);
            }
        });
        note_missing(missing, "runs", targets.runs, runs, "a run", as_text);
        std::vector<uuid> plan_runs;
        in_chunks(targets.plan_runs, [&](array& some) {
            for (auto& one : storage::read_shown_plan_runs(s, some)) {
                if (one.tenant != tenant) continue;
                plan_runs.push_back(one.id);
                first.plan_runs.push_back(std::move(one));
            }
        });
        note_missing(missing, "plan_runs", targets.plan_runs, plan_runs, "a run of a plan", [](const uuid& id) { return id.str(); });
        const bool only_jobs_missing = missing.empty();
        if (!targets.jobs.empty()) {
            array names(array::element::text);
            for (const auto& job : targets.jobs) names.add(std::string_view(job));
            std::vector<std::string> there;
            for (auto& one : storage::find_jobs(s, tenant, names)) {
                there.push_back(std::move(one.job_id));
                first.jobs.push_back(one.job);
            }
            note_missing(missing, "jobs", targets.jobs, there, "a job", [](const std::string& name) { return name; });
            first.now = storage::database_clock(s);
        }
        if (!missing.empty()) {
            return error{only_jobs_missing ? errc::job_not_found : errc::invalid_request, "Something that is to be followed is not there: see `errors`.", std::move(missing)};
        }
        first.executions = in_order(read_all_shown(s, targets.executions), targets.executions);
        first.attempts = read_all_shown(s, attempts);
        return first;
    });
    if (!found) co_return std::move(found).error();
    result<void> begun;
    {
        const std::lock_guard lock(mutex_);
        begun = all_->begin(std::move(who), token, tenant, targets, std::move(*found));
        all_->wake();
    }
    if (begun && !anything_.exchange(true)) boost::asio::post(home_.executor(), [this] { begun_.ring(); });
    poke();
    co_return begun;
}

void change_watch::unfollow(const change_follower& who, std::uint64_t token)
{
    const std::lock_guard lock(mutex_);
    all_->end(who, token);
}

std::uint64_t change_watch::done_so_far() const
{
    const auto& c = done_here_;
    std::uint64_t sum = 0;
    for (const auto* one : {&c.submitted, &c.claimed, &c.taken_over, &c.handed_back, &c.retries}) sum += one->load(std::memory_order_relaxed);
    for (const auto& one : c.ended) sum += one.load(std::memory_order_relaxed);
    return sum;
}

awaitable<void> change_watch::run()
{
    auto poll_at = steady_clock::now();
    auto soonest = poll_at;
    auto done = done_so_far();
    bool pending = true;
    for (;;) {
        if (!anything_.load()) {
            co_await begun_.wait();
            const auto state = co_await boost::asio::this_coro::cancellation_state;
            if (state.cancelled() != boost::asio::cancellation_type::none) co_return;
            continue;
        }
        const auto wake_at = std::min(poll_at, pending ? std::max(soonest, steady_clock::now()) : steady_clock::now() + glance);
        if (!co_await sleep_until(wake_at)) co_return;
        const auto seen = done_so_far();
        pending = poked_.exchange(false) || pending || seen != done;
        done = seen;
        const auto began = steady_clock::now();
        if (began < poll_at && (!pending || began < soonest)) continue;
        pending = false;
        co_await look();
        const auto ended = steady_clock::now();
        soonest = ended + std::max(own_gap, rest_after_own * (ended - began));
        poll_at = ended + std::max(poll_gap, rest_after_poll * (ended - began));
    }
}

awaitable<void> change_watch::look()
{
    using findings = followed_things::findings;
    followed_things::question asked;
    {
        const std::lock_guard lock(mutex_);
        asked = all_->ask();
        all_->wake();
        if (all_->empty()) {
            anything_.store(false);
            co_return;
        }
    }
    auto found = co_await db_.read([asked = std::move(asked)](storage::session& s) -> result<findings> {
        findings seen;
        std::unordered_map<execution_id, storage::execution_state> known;
        std::vector<execution_id> ids;
        for (const auto& one : asked.known) {
            known.emplace(one.id, one.state);
            ids.push_back(one.id);
        }
        in_chunks(ids, [&](array& some) {
            for (const auto& one : storage::read_states(s, some)) {
                if (known.at(one.id) != one.state) seen.changed.push_back(one.id);
            }
        });
        if (!asked.jobs.empty()) {
            array jobs(array::element::int4);
            array since(array::element::timestamptz);
            for (const auto key : asked.jobs) jobs.add(key.value);
            for (const auto at : asked.since) since.add(at);
            seen.now = storage::database_clock(s);
            seen.fresh = storage::executions_since(s, jobs, since, asked.most_new);
        }
        std::map<uuid, storage::plan_run_state> known_runs;
        std::vector<uuid> run_ids;
        for (const auto& one : asked.plan_runs) {
            known_runs.emplace(one.id, one.state);
            run_ids.push_back(one.id);
        }
        std::vector<uuid> changed_runs;
        in_chunks(run_ids, [&](array& some) {
            for (const auto& one : storage::read_plan_run_states(s, some)) {
                if (known_runs.at(one.id) != one.state) changed_runs.push_back(one.id);
            }
        });
        in_chunks(changed_runs, [&](array& some) {
            for (auto& one : storage::read_shown_plan_runs(s, some)) seen.plan_runs.push_back(std::move(one));
        });
        for (const auto& log : asked.logs) {
            if (auto part = storage::read_log(s, log.tenant, log.id, log.after, log_part_bytes)) seen.logs.emplace_back(log.number, std::move(*part));
        }
        return seen;
    });
    // Where the database is away, the next look finds what has changed meanwhile.
    if (!found) co_return;
    std::vector<execution_id> to_show;
    {
        const std::lock_guard lock(mutex_);
        const bool logs_flow = std::any_of(found->logs.begin(), found->logs.end(), [](const auto& one) { return !one.second.text.empty(); });
        if (logs_flow) poke();
        to_show = all_->hear(std::move(*found));
        all_->wake();
    }
    for (std::size_t first = 0; first < to_show.size(); first += in_a_statement) {
        const auto from = to_show.begin() + static_cast<std::ptrdiff_t>(first);
        std::vector<execution_id> some(from, from + static_cast<std::ptrdiff_t>(std::min(in_a_statement, to_show.size() - first)));
        auto shown = co_await db_.read([some = std::move(some)](storage::session& s) -> result<std::vector<storage::shown_execution>> { return read_all_shown(s, some); });
        const std::lock_guard lock(mutex_);
        if (!shown) {
            poke();
            co_return;
        }
        if (all_->show(std::move(*shown))) poke();
        all_->wake();
    }
}

}
