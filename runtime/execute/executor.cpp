#include "runtime/execute/executor.hpp"

#include "runtime/execute/attempt_life.hpp"
#include "runtime/execute/crash_point.hpp"
#include "runtime/handlers/sql_pool.hpp"
#include "runtime/observe/event_log.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <random>
#include <spdlog/spdlog.h>

namespace rowlock::runtime {

namespace {

constexpr std::chrono::milliseconds next_usage_try{250};
constexpr std::size_t share = 32;     // executions handed to one core before the next gets some

// The end of an attempt after which, for now, nothing follows.
finished last_end(const assignment& work, outcome result)
{
    finished end{work.id, work.run_id, work.extent_lo, work.alone, work.fence, work.owner, std::move(result), steady_clock::now()};
    end.job = work.job;
    end.followed = work.in_plan || !work.job->definition.ordering_path.empty();
    return end;
}

// The end of an attempt that a policy did not let start. Its actor says so: what a job may say of itself is no proof (plan_uses_1).
finished refused_end(const assignment& work, outcome refusal)
{
    finished end = last_end(work, std::move(refusal));
    end.actor = "policy";
    return end;
}

// Spec A6. Executions that need no waiting come by the ten thousand a second: their events are for debugging only.
event event_of(std::string_view name, const assignment& work)
{
    event e(name);
    e.add("execution_id", work.id.str()).add("run_id", work.run_id.str()).add("job_id", work.job->definition.job_id);
    e.add("attempt_number", std::int64_t{work.attempt_number}).add("instance_id", std::int64_t{work.owner.value});
    e.add("correlation_id", work.correlation_id);
    return e;
}

void log_end(const assignment& work, const finished& end, double seconds, spdlog::level::level_enum level)
{
    if (!event::on(level)) return;
    const outcome& o = end.result;
    auto e = event_of("execution_end", work);
    e.add("status", to_string(o.status)).add("duration_seconds", seconds).add("error_code", o.error_code).add("error_message", o.error_message);
    if (o.exit_code) e.add("exit_code", std::int64_t{*o.exit_code});
    e.write(level);
    if (end.retry_in) event_of("retry", work).add("error_code", o.error_code).add("delay_ms", std::int64_t{end.retry_in->count()}).write(level);
}

double random01()
{
    thread_local std::mt19937_64 source{std::random_device{}()};
    return std::uniform_real_distribution<double>(0, 1)(source);
}

}

// What runs on one core. Everything but the constructor and the inbox is used there only.
class executor::worker {
public:
    worker(executor& owner, core& home) : owner_(owner), home_(home), tasks_(home.executor()) {}

    core& home() { return home_; }

    void start(std::vector<assignment> work)
    {
        const auto& how = owner_.options_;
        if (!handlers_) handlers_ = std::make_unique<handlers>(home_.executor(), how.process, how.http, how.composite, *owner_.databases_);
        for (auto& each : work) tasks_.spawn(run(std::move(each)));
    }

    void cancel(const storage::cancel_request& request)
    {
        const auto at = running_.find(request.id);
        if (at == running_.end() || at->second->subject().stopped() != stop_reason::none) return;
        at->second->actor = request.actor;
        at->second->reason = request.reason;
        at->second->subject().request_stop(stop_reason::cancelled);
    }

    void stop_all(stop_reason why, bool only_what_waits)
    {
        // An attempt may end, and leave the map, while it is told.
        auto& told = only_what_waits ? stop_of_waiting_ : stop_of_all_;
        ++told.times;
        told.why = why;
        std::vector<std::shared_ptr<live>> all;
        for (auto& [id, each] : running_) {
            if (!only_what_waits || only_waits(each->subject().work())) all.push_back(each);
        }
        for (auto& each : all) each->subject().request_stop(why);
    }

    awaitable<void> join()
    {
        co_await tasks_.join();
        handlers_.reset();
    }

private:
    // An attempt and who has asked for its end.
    struct live : attempt_life {
        using attempt_life::attempt_life;
        std::string actor;
        std::string reason;
    };

    // The way of one attempt: perform under watch, normalise the outcome, decide on a retry, hand over.
    awaitable<void> run(assignment work)
    {
        auto budgets = owner_.policies_.budgets_of(work);
        const bool asks = budgets.asks_for_usage() && work.attempt_number > 1;
        const auto stopped = asks ? co_await learn_usage(work, budgets) : stop_reason::none;
        if (asks && stopped == stop_reason::none) {
            if (auto refusal = owner_.policies_.refusal_of(work, budgets)) {
                leave();
                end_with(work, refused_end(work, std::move(*refusal)), {});
                co_return;
            }
        }
        const auto began = steady_clock::now();
        auto noted = std::make_shared<bool>(false);
        auto sinks = owner_.notes_.for_attempt(work, noted);
        const auto me = std::make_shared<live>(home_.executor(), std::move(work), began, std::move(sinks), time_left(budgets));
        attempt& a = me->subject();
        running_.emplace(a.work().id, me);
        if (event::on(spdlog::level::info)) event_of("execution_start", a.work()).write(spdlog::level::info);
        me->begin();
        if (stopped != stop_reason::none) a.request_stop(stopped);
        const bool waits = only_waits(a.work());
        if (waits) {
            owner_.owned_.rests(a.work().extent_lo, a.work().fence);
            owner_.free_.give(1);
        }

        crash_point("run.started");
        outcome result;
        try {
            result = co_await handlers_->perform(a);
        } catch (const std::exception& e) {
            spdlog::error("the handler of execution {} failed: {}", a.work().id.str(), e.what());
            result.status = execution_status::failed;
            result.error_code = "HANDLER_FAILED";
            result.error_message = e.what();
        }
        // From here on nobody can ask it to stop any more: its outcome stands.
        running_.erase(a.work().id);
        const auto returned = steady_clock::now();
        const auto ran = std::chrono::duration_cast<std::chrono::microseconds>(returned - began);
        owner_.counts_.run_us.fetch_add(static_cast<std::uint64_t>(ran.count()), std::memory_order_relaxed);
        crash_point("run.returned");
        co_await me->end(a.stopped() == stop_reason::none && result.status == execution_status::completed);
        if (waits) {
            owner_.free_.borrow();
            owner_.owned_.goes_on(a.work().extent_lo, a.work().fence);
        }
        hand_over(*me, std::move(result), *noted, returned, ran, budgets);
    }

    // What the run of a later attempt has used before. The attempt is not known as running meanwhile: returns by what everything was asked to stop
    // while it asked. While the database is away nothing starts.
    awaitable<stop_reason> learn_usage(const assignment& work, run_budgets& budgets)
    {
        const auto all = stop_of_all_.times;
        const auto waiting = stop_of_waiting_.times;
        for (;;) {
            const auto usage = co_await owner_.policies_.usage_of(work.run_id);
            if (all != stop_of_all_.times) co_return stop_of_all_.why;
            if (waiting != stop_of_waiting_.times && only_waits(work)) co_return stop_of_waiting_.why;
            if (usage) {
                budgets.before.seconds = usage->seconds;
                budgets.before.cost_units = usage->cost_units;
                co_return stop_reason::none;
            }
            const auto why = usage.error().code;
            if (why == errc::stopping) co_return stop_reason::handed_back;
            if (why != errc::database_unavailable && why != errc::overloaded) {
                spdlog::error("what the run {} has used cannot be found out, and counts as nothing: {}", work.run_id.str(), usage.error().detail);
                co_return stop_reason::none;
            }
            if (!co_await sleep_until(steady_clock::now() + next_usage_try)) co_return stop_reason::handed_back;
        }
    }

    void leave()
    {
        owner_.running_.fetch_sub(1, std::memory_order_acq_rel);
        owner_.counts_.running.fetch_sub(1, std::memory_order_relaxed);
    }

    void hand_over(live& me, outcome result, bool noted, deadline returned, std::chrono::microseconds ran, const run_budgets& budgets)
    {
        leave();
        const attempt& a = me.subject();
        const stop_reason why = a.stopped();
        const assignment& work = a.work();
        std::string details;
        switch (why) {
        case stop_reason::none: break;
        case stop_reason::timeout:
        case stop_reason::heartbeat_lost:
            details = me.timeout_details(result.termination, returned);
            result.status = why == stop_reason::timeout ? execution_status::timeout : execution_status::failed;
            result.error_code = why == stop_reason::heartbeat_lost ? "HEARTBEAT_LOST" : me.out_of_budget() ? "BUDGET_EXCEEDED" : "TIMEOUT";
            result.error_message = me.why_stopped();
            break;
        case stop_reason::cancelled:
            result.status = execution_status::cancelled;
            result.error_code = "CANCELLED";
            result.error_message = me.reason;
            break;
        case stop_reason::handed_back:
        case stop_reason::lease_lost:
            // Nothing of it counts: the queue gives it to somebody else. Its slot was never used up.
            owner_.dropped(work);
            if (why == stop_reason::handed_back && owner_.options_.handed_back) owner_.options_.handed_back();
            return;
        }
        finished end = owner_.finish(work, std::move(result), budgets, ran, me.out_of_budget());
        end.returned_at = returned;
        end.actor = me.actor;
        end.details = std::move(details);
        end.leaves_notes = noted || why == stop_reason::cancelled;
        end_with(work, std::move(end), ran);
    }

    void end_with(const assignment& work, finished end, std::chrono::microseconds ran)
    {
        log_end(work, end, static_cast<double>(ran.count()) / 1e6, spdlog::level::info);
        if (outbox_.empty()) boost::asio::post(home_.executor(), [this] { flush(); });
        outbox_.push_back(std::move(end));
    }

    // What ends in one turn of the loop is handed over together.
    void flush()
    {
        owner_.ends_.settle(std::exchange(outbox_, {}));
    }

    executor& owner_;
    core& home_;
    std::unique_ptr<handlers> handlers_;
    task_group tasks_;
    std::unordered_map<execution_id, std::shared_ptr<live>> running_;
    std::vector<finished> outbox_;
    struct told_to_stop {
        std::uint64_t times = 0;
        stop_reason why = stop_reason::none;         // the last time
    };
    told_to_stop stop_of_all_;
    told_to_stop stop_of_waiting_;                   // of all that only waits
};

namespace {

// A call on a core, from another thread.
template <class F>
class call final : public resumable {
public:
    explicit call(F f) : f_(std::move(f)) {}
    void resume() override { f_(); }

private:
    F f_;
};

template <class F>
void call_on(core& where, F f)
{
    where.deliver(std::make_unique<call<F>>(std::move(f)));
}

}

executor::executor(core_group& cores, settler& ends, records& notes, ledger& owned, slots& free, policy_book& policies, counters& counts, options o)
    : options_(std::move(o)), ends_(ends), notes_(notes), owned_(owned), free_(free), policies_(policies), counts_(counts), databases_(std::make_unique<sql_pool>(options_.sql))
{
    for (std::size_t i = 0; i < cores.size(); ++i) workers_.push_back(std::make_unique<worker>(*this, cores[i]));
}

executor::~executor() = default;

void executor::start(std::vector<assignment> work)
{
    std::vector<finished> at_once;
    std::vector<std::vector<assignment>> shares(workers_.size());
    std::size_t n = 0;
    std::size_t turn = turn_.fetch_add(1, std::memory_order_relaxed);
    for (auto& each : work) {
        // All ways in lead through here, so this is where it is decided.
        if (auto refusal = policies_.refusal_of(each)) {
            at_once.push_back(refused_end(each, std::move(*refusal)));
            log_end(each, at_once.back(), 0, spdlog::level::info);
            continue;
        }
        if (auto result = outcome_at_once(each)) {
            at_once.push_back(finish(each, std::move(*result), policies_.budgets_of(each), {}, false));
            log_end(each, at_once.back(), 0, spdlog::level::debug);
            continue;
        }
        shares[(turn + n++ / share) % workers_.size()].push_back(std::move(each));
    }
    running_.fetch_add(static_cast<int>(n), std::memory_order_acq_rel);
    counts_.running.fetch_add(static_cast<std::int64_t>(n), std::memory_order_relaxed);
    for (std::size_t i = 0; i < shares.size(); ++i) {
        if (shares[i].empty()) continue;
        call_on(workers_[i]->home(), [w = workers_[i].get(), mine = std::move(shares[i])]() mutable { w->start(std::move(mine)); });
    }
    ends_.settle(std::move(at_once));
}

finished executor::finish(const assignment& work, outcome result, const run_budgets& budgets, std::chrono::microseconds ran, bool out_of_time)
{
    finished end = last_end(work, std::move(result));
    const auto status = end.result.status;
    const bool failed = status == execution_status::failed || status == execution_status::timeout;
    if (failed) {
        const auto decision = decide_retry(*retries_.of(*work.job), work.attempt_number, work.lost_count, work.job->definition.idempotent, end.result, random01());
        if (decision.again) end.retry_in = decision.delay;
        end.category = decision.category;
    }
    if (budgets.empty()) return end;
    const run_usage usage{work.attempt_number, budgets.before.seconds + static_cast<double>(ran.count()) / 1e6, budgets.before.cost_units + cost_units_of(end.result)};
    const auto verdict = judge_end(budgets, usage, end.retry_in.has_value() || out_of_time);
    for (const auto& each : verdict.found) policies_.note(work, each, storage::policy_stage::run, each.policy->what.blocks && verdict.stops);
    if (!verdict.stops) return end;
    end.retry_in.reset();
    auto& message = end.result.error_message;
    message += fmt::format("{}No attempt follows: {}.", message.empty() ? "" : message.ends_with('.') ? " " : ". ", verdict.why);
    return end;
}

void executor::cancel(const std::vector<storage::cancel_request>& requests)
{
    for (auto& w : workers_) {
        call_on(w->home(), [w = w.get(), requests] {
            for (const auto& request : requests) w->cancel(request);
        });
    }
}

void executor::stop_all(stop_reason why)
{
    for (auto& w : workers_) call_on(w->home(), [w = w.get(), why] { w->stop_all(why, false); });
}

void executor::hand_back_what_waits()
{
    for (auto& w : workers_) call_on(w->home(), [w = w.get()] { w->stop_all(stop_reason::handed_back, true); });
}

void executor::dropped(const assignment& work)
{
    owned_.forget(work.extent_lo, work.fence, 1);
    free_.give(1);
}

void executor::stop()
{
    for (auto& w : workers_) boost::asio::co_spawn(w->home().executor(), w->join(), boost::asio::use_future).get();
}

}
