#include "runtime/instance.hpp"

#include "runtime/execute/callback_board.hpp"
#include "runtime/execute/channel.hpp"
#include "runtime/execute/claimer.hpp"
#include "runtime/execute/executor.hpp"
#include "runtime/execute/manual_retry.hpp"
#include "runtime/execute/membership.hpp"
#include "runtime/execute/records.hpp"
#include "runtime/execute/retention.hpp"
#include "runtime/execute/settler.hpp"
#include "runtime/execute/submitter.hpp"
#include "runtime/limits/pressure_watch.hpp"
#include "runtime/limits/tenant_limit.hpp"
#include "runtime/plan/job_plans.hpp"
#include "runtime/policy/policy_book.hpp"
#include "runtime/plan/plan_steps.hpp"
#include "runtime/schedule/scheduler.hpp"
#include "runtime/schedule/zone_database.hpp"
#include "runtime/trigger/message_reader.hpp"
#include "runtime/trigger/trigger_flush.hpp"
#include "storage/breaker_store.hpp"
#include "storage/execution_store.hpp"
#include "storage/listener.hpp"
#include "storage/migrator.hpp"
#include "storage/plan_watch_store.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <spdlog/spdlog.h>
#include <unistd.h>

namespace rowlock::runtime {

namespace {

constexpr std::size_t max_queued_tasks = 10'000;
constexpr std::size_t max_waiting_for_runs = 100'000;
constexpr auto queue_timeout = std::chrono::milliseconds{10'000};
constexpr auto contact_limit = std::chrono::seconds{5};

storage::session_options session_for(const std::string& url, storage::session_kind kind, const char* what)
{
    storage::session_options o{url, kind, std::string("rowlock ") + what};
    if (kind == storage::session_kind::queue) o.statement_timeout = queue_timeout;
    return o;
}

std::string hostname()
{
    char name[256] = {};
    return gethostname(name, sizeof name - 1) == 0 ? name : "";
}

}

// Everything of an instance, in the order in which it is made; it goes in the opposite order.
struct instance::parts {
    parts(core_group& group, instance_options o)
        : options(std::move(o)), cores(group), free(options.parallelism),
          general_sessions(session_for(options.database_url, storage::session_kind::general, "general"), options.general_sessions, max_queued_tasks),
          control_sessions(session_for(options.database_url, storage::session_kind::general, "control"), 1, max_queued_tasks), general(general_sessions),
          control(control_sessions), jobs(general, options.defaults), policies(general, counts, options.retention.error_retention),
          runs(general, cores[0], max_waiting_for_runs, &storage::ended_of), plan_run_ends(general, cores[0], max_waiting_for_runs, &storage::ended_plan_runs),
          changes(general, cores[0], counts), notes(general), callbacks(general, cores[0]), keeping(options.retention, options.process.run_root, general, self, counts),
          steps(general, cores[0], counts, options.dependency_check, [this] { after_plans(false); }),
          clockwork({options.scheduler_enabled, options.poll, options.catchup_limit}, general, cores[0], zones, counts,
                    {[this](int executions) { after_ticks(executions); }, [this](const std::vector<execution_id>& ended) { skipped(ended); }}),
          waiting_events({options.poll, options.event_retention}, general, cores[0], counts, [this](std::size_t n) { queued_by_hand(n); }),
          pressing(options.pressure, {options.queue_capacity, [this] { return std::max(general_sessions.fullness(), control_sessions.fullness()); },
                                      [this](action_set before, action_set now) { pressure_changed(before, now); }},
                   general, self, counts),
          background(cores[0].executor())
    {
    }

    // Makes what runs on threads of its own; from here on the database is used.
    void make_services(std::string address)
    {
        const auto queue = [this](const char* what) { return session_for(options.database_url, storage::session_kind::queue, what); };
        ends.emplace(settler::options{queue("settle"), options.priority_age, options.retention.dead_letter_retention}, self, free, owned, counts,
                     settler::listeners{[this](const std::vector<execution_id>& ended) { runs_ended(ended); }, [this](milliseconds soonest) { after_settle(soonest); },
                                        [this] { slots_returned(); }, [this] { if (claims->knows_of_more()) claims->wake(); }, [this] { claims->doubt(); },
                                        [this](bool left) { after_plans(left); }});
        callbacks.reached_at(options.public_url.empty() ? "http://" + address : options.public_url);
        auto http = options.http;
        http.callbacks = callbacks.functions();
        http.evaluate = evaluation_by(general);
        plans.emplace(plan_runs::options{options.priority_age, options.key_ttl, options.parallelism}, general, jobs, self, plan_runs::listeners{[this] { after_plans(true); }});
        plans_of_jobs.emplace(*plans, jobs, general, plan_run_ends);
        notes.add_nodes_by([this](assignment node, boost::json::array added) { return plans_of_jobs->add_nodes(std::move(node), std::move(added)); });
        work.emplace(cores, *ends, notes, owned, free, policies, counts,
                     executor::options{options.process, http, options.sql, {options.process.grace, plans_of_jobs->functions()},
                                       // What the ledger has forgotten goes back to the queue.
                                       [this] { claims->doubt(); }});
        claims.emplace(queue("claim"), self, free, owned, floors, waiting, jobs, *work, counts, options.share_fairly,
                       claimer::listeners{[this] { members->announce(); }, [this] { claims->wake(); members->announce_softly(); }});
        free.when_freed([this] { claims->slots_freed(); });
        submissions.emplace(submitter::options{queue("submit"), options.priority_age, options.key_ttl, options.max_queued_submissions, options.queue_capacity}, self, free, owned, floors, waiting, *work, counts,
                            submitter::listeners{[this](std::size_t now, milliseconds soonest) { queued_here(now, soonest); }, [this] { claims->doubt(); },
                                                 [this](std::vector<execution_id> ended) {
                                                     boost::asio::post(cores[0].executor(), [this, ended = std::move(ended)] { skipped(ended); });
                                                 },
                                                 [this](const submit_request& request) { return refused(request); },
                                                 [this](const submit_request& request, const error& why) { was_refused(request, why); }});
        events.emplace(event_intake::options{session_for(options.database_url, storage::session_kind::general, "events")}, self, counts,
                       event_intake::listeners{[this](std::size_t n) { queued_by_hand(n); }, [this](milliseconds due) { waiting_events.expect(due); }});
        messages.emplace(message_reader::options{session_for(options.database_url, storage::session_kind::general, "messages"), options.sql.connections, options.poll}, self, counts,
                         *events, [this](std::size_t n) { queued_by_hand(n); });
        storage::instance_row row{options.lease, hostname(), static_cast<int>(getpid()), ROWLOCK_VERSION, std::move(address), options.parallelism, options.labels, options.by_handler,
                                  options.capacity};
        members.emplace(membership::options{std::move(row), options.poll, options.priority_age, options.partition_days_ahead, options.sole_instance,
                                           options.retention.dead_letter_retention, [this](const std::vector<execution_id>& ended) { runs_ended(ended); },
                                           [this] { steps.poke(); }, std::min<milliseconds>(options.dependency_check, std::chrono::seconds{5}), told_settings(),
                                           [this](bool draining, bool differ, deadline asked) {
                                               uneven.store(differ, std::memory_order_relaxed);
                                               // An answer that is older than what was asked of this instance itself is out of date.
                                               if (asked > deadline{steady_clock::duration{drain_asked.load()}}) heed_drain(draining);
                                           }}, cores[0], control, self, owned, jobs, *work, *claims, counts);
    }

    // What functions in the database must know of the settings, by their names.
    std::vector<storage::told_setting> told_settings() const
    {
        const auto in = [](milliseconds time, milliseconds unit) { return fmt::format("{}", static_cast<double>(time.count()) / static_cast<double>(unit.count())); };
        return {{"PRIORITY_AGE_SECONDS", in(options.priority_age, std::chrono::seconds{1})}, {"IDEMPOTENCY_KEY_TTL_HOURS", in(options.key_ttl, std::chrono::hours{1})}};
    }

    // The run of a plan ends with one of its nodes.
    void runs_ended(const std::vector<execution_id>& ended)
    {
        runs.ended(ended);
        plan_run_ends.poke();
        clockwork.runs_ended();
    }

    // Ticks have come, or a window has opened (0): some of it may start here.
    void after_ticks(int executions)
    {
        claims->wake();
        if (executions > 0) queued_by_hand(static_cast<std::size_t>(executions));
    }

    // What it was short of, or is short of now, asks for other actions. On the home core.
    void pressure_changed(action_set before, action_set now)
    {
        using enum pressure_action;
        clockwork.pause(now.has(pause_scheduling));
        waiting_events.pause(now.has(pause_scheduling));
        if (now.has(queue_all)) {
            self.begin_rest(identity::rest::pressure);
            members->announce();
        } else if (before.has(queue_all)) {
            self.end_rest(identity::rest::pressure);
            claims->wake();
        }
    }

    // On the submitting thread, and so is the next.
    std::optional<error> refused(const submit_request& request) const
    {
        if (auto why = policies.refusal_of(request)) return why;
        if (!pressing.does(pressure_action::reject_low_priority)) return std::nullopt;
        return refusal_under_pressure(request, pressing.report(), self.database_now());
    }

    void was_refused(const submit_request& request, const error& why)
    {
        if (why.code == errc::policy_violation) policies.note_refusal(request);
        else if (why.code == errc::resource_exhausted) counts.refused_under_pressure.fetch_add(request.items.size(), std::memory_order_relaxed);
    }

    // They would have started outside their windows.
    void skipped(const std::vector<execution_id>& ended)
    {
        runs_ended(ended);
        changes.poke();
        steps.poke();
    }

    // Something was queued by this instance: what it has no slots for the others are told of. They look by themselves for what becomes due.
    void queued_here(std::size_t now, milliseconds soonest)
    {
        if (soonest != milliseconds::max()) members->poke_in(soonest);
        if (now == 0) return;
        claims->wake();
        tell_others(now > static_cast<std::size_t>(std::max(free.available(), 0)));
    }

    // Somebody has queued this many executions by hand, or let them go on.
    void queued_by_hand(std::size_t n)
    {
        queued_here(n, milliseconds::max());
        changes.poke();
    }

    // Retries may have been queued, for now or for later.
    void after_settle(milliseconds soonest)
    {
        if (soonest == milliseconds{0}) {
            claims->wake();
            tell_others(false);
        }
        if (soonest != milliseconds::max() && soonest > milliseconds{0}) members->poke_in(soonest);
    }

    // Slots of limits are free again, which something may wait for, here or elsewhere.
    void slots_returned()
    {
        if (!claims->knows_of_more() && !self.rests()) return;
        claims->wake();
        tell_others(free.available() <= 0);
    }

    // Nodes of plans or dependents may be queued; `left`: there may be more to do for them.
    void after_plans(bool left)
    {
        claims->wake();
        tell_others(free.available() <= 0);
        if (left) steps.poke();
    }

    // Something was queued. `too_much`: more than there are slots for here.
    void tell_others(bool too_much)
    {
        if (too_much || stopping.load() || self.rests()) members->announce();
        else if (uneven.load(std::memory_order_relaxed)) members->announce_softly();
    }

    // Somebody has asked for it, or has taken it back (drain_1). The database lets nothing start here by then. Any thread.
    void heed_drain(bool asked)
    {
        {
            const std::lock_guard one_at_a_time(drain_mutex);
            if (!(asked ? self.begin_rest(identity::rest::drained) : self.end_rest(identity::rest::drained))) return;
            clockwork.rest(asked);
        }
        if (asked) {
            spdlog::info("instance {} is drained: it starts nothing more until it is resumed; {} executions run", self.id().value, work->running());
            work->hand_back_what_waits();
            members->announce();
        } else {
            spdlog::info("instance {} is resumed", self.id().value);
            claims->wake();
        }
    }

    void heard(const std::string& payload)
    {
        if (payload == wake_payload(self.id())) return;
        callbacks.poke();
        if (payload == callback_payload) return;
        claims->wake();
        members->poke();
    }

    instance_options options;
    core_group& cores;
    identity self;
    slots free;
    ledger owned;
    lane_floors floors;
    waiting_tenants waiting;
    counters counts;
    storage::session_pool general_sessions;
    storage::session_pool control_sessions;
    database general;
    database control;
    catalog jobs;
    std::mutex drain_mutex;
    policy_book policies;
    zone_database zones;
    run_watch runs;
    run_watch plan_run_ends;
    change_watch changes;
    records notes;
    callback_board callbacks;
    retention keeping;
    plan_steps steps;
    scheduler clockwork;
    trigger_flush waiting_events;
    pressure_watch pressing;
    std::optional<plan_runs> plans;
    std::optional<job_plans> plans_of_jobs;
    task_group background;
    std::optional<settler> ends;
    std::optional<executor> work;
    std::optional<claimer> claims;
    std::optional<submitter> submissions;
    std::optional<membership> members;
    std::optional<event_intake> events;
    std::optional<message_reader> messages;
    std::optional<storage::listener> ears;
    std::atomic<bool> stopping{false};
    std::atomic<bool> started{false};
    std::atomic<bool> stopped{false};                // takes in nothing any more
    std::atomic<bool> uneven{false};                 // instances differ in what they may start
    std::atomic<steady_clock::rep> drain_asked{0};   // when it was last drained or resumed by way of itself
    bool handed_over = false;
};

namespace {

// Runs a coroutine on a core to its end; from a thread that is no core.
template <class T>
T finish_on(core& where, awaitable<T> work)
{
    return boost::asio::co_spawn(where.executor(), std::move(work), boost::asio::use_future).get();
}

awaitable<void> spawn_services(task_group& group, std::vector<awaitable<void>> services)
{
    for (auto& each : services) group.spawn(std::move(each));
    co_return;
}

awaitable<void> end_services(task_group& group)
{
    group.cancel();
    co_await group.join();
}

}

instance::instance(core_group& cores, instance_options options) : parts_(std::make_unique<parts>(cores, std::move(options))) {}

instance::~instance() = default;

result<void> instance::start(std::string address)
{
    parts& p = *parts_;
    if (const auto migrated = storage::check_migrated(p.options.database_url); !migrated) return migrated.error();
    if (const auto known = finish_on(p.cores[0], p.policies.load()); !known) return known.error();
    const int per_tenant = p.options.concurrency_per_tenant;
    const auto set_by = "CONCURRENCY_PER_TENANT of " + hostname();
    const bool tenants_limited = finish_on(p.cores[0], limit_tenants(p.general, per_tenant, set_by));
    p.make_services(std::move(address));
    if (const auto joined = finish_on(p.cores[0], p.members->start()); !joined) return joined.error();
    std::vector<awaitable<void>> services;
    services.push_back(p.runs.run());
    services.push_back(p.changes.run());
    services.push_back(p.notes.run());
    services.push_back(p.policies.run());
    services.push_back(p.keeping.run());
    services.push_back(p.callbacks.run());
    services.push_back(p.steps.run());
    services.push_back(p.plan_run_ends.run());
    services.push_back(p.waiting_events.run());
    services.push_back(p.clockwork.run());
    services.push_back(p.clockwork.help());
    services.push_back(p.pressing.run());
    if (!tenants_limited) services.push_back(limit_tenants_later(p.general, per_tenant, set_by));
    finish_on(p.cores[0], spawn_services(p.background, std::move(services)));
    p.ears.emplace(p.options.database_url, wake_channel, [&p](const std::string& payload) { p.heard(payload); });
    p.started.store(true);
    p.claims->wake();
    return {};
}

void instance::wind_down()
{
    parts& p = *parts_;
    if (p.stopping.load()) return;
    if (p.started.load()) p.submissions->start_nothing();
    p.stopping.store(true);
    if (!p.started.load()) return;
    p.claims->stop();
    p.submissions->await_turn();
    p.ears->stop();
}

void instance::hand_over(const std::atomic<bool>& hurry)
{
    wind_down();
    parts& p = *parts_;
    if (!p.started.load() || std::exchange(p.handed_over, true)) return;
    p.work->hand_back_what_waits();
    // Running work gets the grace; what is left then is stopped, and goes on elsewhere.
    std::mutex mutex;
    std::condition_variable never;
    const auto wait_until = [&](deadline until, auto done) {
        std::unique_lock lock(mutex);
        while (!done() && steady_clock::now() < until) never.wait_for(lock, std::chrono::milliseconds{10});
    };
    const auto idle = [&p] { return p.work->running() == 0; };
    wait_until(steady_clock::now() + p.options.grace, [&] { return idle() || hurry.load(); });
    if (!idle()) {
        spdlog::info("{} executions are stopped and handed back", p.work->running());
        p.work->stop_all(stop_reason::handed_back);
        wait_until(steady_clock::now() + p.options.process.grace + std::chrono::seconds{5}, idle);
    }
    p.work->stop();
    p.ends->give_up();
    p.ends->stop();
    const auto left = finish_on(p.cores[0], p.members->hand_back("the instance stopped"));
    if (!left) return;                               // tried once more when the instance leaves
    p.counts.handed_back.fetch_add(static_cast<std::uint64_t>(*left));
    if (*left > 0) spdlog::info("handed back: {}", *left);
}

void instance::stop(const std::atomic<bool>& hurry)
{
    hand_over(hurry);
    parts& p = *parts_;
    if (!p.started.load() || p.stopped.exchange(true)) return;
    p.runs.stop();
    p.plan_run_ends.stop();
    p.messages->stop();
    p.events->stop();
    p.submissions->stop();
    finish_on(p.cores[0], p.members->stop());
    const auto left = finish_on(p.cores[0], p.members->leave("the instance stopped"));
    if (left) {
        p.counts.handed_back.fetch_add(static_cast<std::uint64_t>(*left));
        spdlog::info("instance {} left", p.self.id().value);
    } else {
        spdlog::warn("the database is away: what instance {} owned is taken over when its lease ends", p.self.id().value);
    }
    finish_on(p.cores[0], end_services(p.background));
    finish_on(p.cores[0], p.policies.flush());
}

awaitable<submit_answer> instance::submit(submit_request request)
{
    if (parts_->stopped.load(std::memory_order_relaxed)) co_return error{errc::stopping, "The server is stopping. Try again.", {}, std::chrono::seconds{1}};
    if (!parts_->started.load(std::memory_order_acquire)) co_return error{errc::stopping, "The server is starting. Try again.", {}, std::chrono::seconds{1}};
    co_return co_await parts_->submissions->submit(std::move(request));
}

void instance::submit(submit_request request, std::unique_ptr<waiter<submit_answer>> who)
{
    const bool started = parts_->started.load(std::memory_order_acquire);
    if (started && !parts_->stopped.load(std::memory_order_relaxed)) {
        parts_->submissions->submit(std::move(request), std::move(who));
    } else {
        waiter<submit_answer>::answer(std::move(who), error{errc::stopping, started ? "The server is stopping. Try again." : "The server is starting. Try again.", {}, std::chrono::seconds{1}});
    }
}

awaitable<event_answer> instance::take_event(new_event event)
{
    if (parts_->stopped.load(std::memory_order_relaxed)) co_return error{errc::stopping, "The server is stopping. Try again.", {}, std::chrono::seconds{1}};
    if (!parts_->started.load(std::memory_order_acquire)) co_return error{errc::stopping, "The server is starting. Try again.", {}, std::chrono::seconds{1}};
    co_return co_await parts_->events->take(std::move(event));
}

void instance::count_refused_webhook()
{
    parts_->counts.webhooks_refused.fetch_add(1, std::memory_order_relaxed);
}

awaitable<result<std::vector<submitted>>> instance::find_replay(tenant_key tenant, std::string key, std::string key_request)
{
    co_return co_await parts_->general.read([tenant, key = std::move(key), key_request = std::move(key_request)](storage::session& s) -> result<std::vector<submitted>> {
        std::vector<submitted> before;
        const auto used = storage::read_key(s, tenant, key, key_request);
        if (!used || !used->same_request) return before;
        storage::array ids(storage::array::element::uuid);
        if (used->executions.empty()) ids.add(used->execution);
        for (const auto& id : used->executions) ids.add(id);
        for (auto& one : storage::read_replayed(s, ids)) before.push_back({one.id, one.run_id, std::move(one.job_id), one.job_version, one.status, true});
        return before;
    });
}

awaitable<result<void>> instance::cancel(principal who, execution_id id, std::string reason, storage::cancel_cascade cascade)
{
    parts& p = *parts_;
    const auto cancelled = co_await p.general.write([tenant = who.tenant, id, actor = who.name, reason, cascade](storage::session& s) -> result<storage::cancel_answer> {
        auto answer = storage::cancel(s, tenant, id, actor, reason, cascade);
        if (answer.found) return answer;
        if (!storage::find_execution_json(s, tenant, id)) return error{errc::not_found, "There is no execution " + id.str() + "."};
        return error{errc::already_ended, "The execution " + id.str() + " has ended."};
    });
    if (!cancelled) co_return cancelled.error();
    if (cancelled->ended) {
        p.runs_ended({id});
        p.changes.poke();
    } else if (cancelled->owner == p.self.id()) {
        p.work->cancel({{id, who.name, reason}});
    } else {
        p.members->announce();
    }
    co_return result<void>{};
}

awaitable<result<execution_id>> instance::retry(principal who, execution_id id)
{
    parts& p = *parts_;
    const auto next = co_await p.general.write([who, id, age = p.options.priority_age](storage::session& s) { return retry_by_hand(s, who, id, age); });
    if (next) p.queued_by_hand(1);
    co_return next;
}

awaitable<result<execution_id>> instance::retry_dead_letter(principal who, execution_id id)
{
    parts& p = *parts_;
    const auto next = co_await p.general.write([who, id, age = p.options.priority_age](storage::session& s) { return runtime::retry_dead_letter(s, who, id, age); });
    if (next) p.queued_by_hand(1);
    co_return next;
}

awaitable<result<std::vector<storage::retried_dead_letter>>> instance::retry_dead_letters(principal who, storage::dead_letter_filter filter,
                                                                                          std::optional<storage::time_place> after, int limit)
{
    parts& p = *parts_;
    auto taken = co_await p.general.write([who, filter = std::move(filter), after, limit, age = p.options.priority_age](storage::session& s)
                                              -> result<std::vector<storage::retried_dead_letter>> {
        return storage::retry_dead_letters(s, who.tenant, filter, after, limit, who.name, age);
    });
    if (taken) {
        std::size_t made = 0;
        for (const auto& each : *taken) made += each.answer.refusal == storage::retry_refusal::none ? 1 : 0;
        p.queued_by_hand(made);
    }
    co_return taken;
}

awaitable<result<bool>> instance::reset_breaker(principal who, std::string key)
{
    parts& p = *parts_;
    const auto closed = co_await p.general.write([who, key = std::move(key)](storage::session& s) -> result<bool> {
        return storage::reset_breaker(s, who.tenant, key, who.name);
    });
    // How much waited behind it is not known: everybody looks.
    if (closed && *closed) {
        p.claims->wake();
        p.members->announce();
        p.changes.poke();
    }
    co_return closed;
}

awaitable<result<std::optional<std::string>>> instance::change_limit(std::function<result<std::optional<std::string>>(storage::session&)> change)
{
    parts& p = *parts_;
    auto changed = co_await p.general.write(std::move(change));
    if (changed) {
        p.claims->wake();
        p.members->announce();
    }
    co_return changed;
}

awaitable<result<storage::drain_answer>> instance::drain(principal who, instance_id id, bool drains, std::string reason)
{
    parts& p = *parts_;
    const auto asked = co_await p.general.write([who, id, drains, reason = std::move(reason)](storage::session& s) -> result<storage::drain_answer> {
        const auto answer = storage::drain(s, id, drains, who.name, reason);
        // Claims that had begun before have ended then.
        if (answer == storage::drain_answer::done && drains) storage::await_statements_of(s, id);
        return answer;
    });
    if (asked && *asked == storage::drain_answer::done) {
        if (id == p.self.id()) {
            p.drain_asked.store(steady_clock::now().time_since_epoch().count());
            p.heed_drain(drains);
        } else {
            p.members->announce();
        }
    }
    co_return asked;
}

policy_book& instance::policies()
{
    return parts_->policies;
}

catalog& instance::jobs() { return parts_->jobs; }
zone_database& instance::zones() { return parts_->zones; }
scheduler& instance::schedules() { return parts_->clockwork; }
plan_runs& instance::plans() { return *parts_->plans; }
database& instance::db() { return parts_->general; }
run_watch& instance::runs() { return parts_->runs; }
run_watch& instance::plan_run_ends() { return parts_->plan_run_ends; }
change_watch& instance::changes() { return parts_->changes; }
callback_board& instance::callbacks() { return parts_->callbacks; }
pressure_report instance::pressure() const { return parts_->pressing.report(); }
const counters& instance::figures() const { return parts_->counts; }
instance_id instance::id() const { return parts_->self.id(); }
bool instance::stopping() const { return parts_->stopping.load(); }

instance::readiness instance::ready() const
{
    const parts& p = *parts_;
    if (p.stopping.load()) return {false, "the server is stopping"};
    if (!p.started.load()) return {false, "the server is starting"};
    const auto ago = p.members->last_contact_ago();
    if (ago < steady_clock::duration{0} || ago > std::max<steady_clock::duration>(contact_limit, 3 * p.options.poll)) return {false, "the database has not answered lately"};
    if (!p.self.holds_lease()) return {false, "the instance has no lease"};
    if (p.self.rests_for(identity::rest::drained)) return {false, "the instance is drained: it starts nothing until it is resumed", true};
    return {true, ""};
}

}
