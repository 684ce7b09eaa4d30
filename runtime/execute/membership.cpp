#include "runtime/execute/membership.hpp"

#include "runtime/execute/channel.hpp"
#include "runtime/execute/crash_point.hpp"
#include "runtime/execute/unheard.hpp"
#include "storage/dependency_store.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <spdlog/spdlog.h>

namespace rowlock::runtime {

namespace {

constexpr auto announcement_gap = std::chrono::milliseconds{5};
constexpr auto soft_announcement_gap = std::chrono::milliseconds{50};
constexpr int takeover_batch = 1000;
constexpr int expiry_batch = 1000;
// A statement that may still hand something to this instance has ended after this long. (The claimer looks at once after one of its own
// was lost; this is for what comes through later still.)
constexpr auto strangers_patience = std::chrono::seconds{15};

}

membership::membership(options o, core& home, database& control, identity& self, ledger& owned, catalog& jobs, executor& runs, claimer& claims, counters& counts)
    : options_(std::move(o)), home_(home), control_(control), self_(self), owned_(owned), jobs_(jobs), runs_(runs), claims_(claims), counts_(counts),
      services_(home.executor()), next_tick_(home.executor())
{
}

void membership::contact(bool made, deadline asked)
{
    const auto now = steady_clock::now();
    if (!made) {
        contact_since_.reset();
        return;
    }
    if (!contact_since_ || now - asked >= silence_limit() || last_contact_ago() >= silence_limit()) contact_since_ = now;
    last_contact_.store(now.time_since_epoch().count());
}

milliseconds membership::silence_limit() const
{
    return options_.row.lease * 2 / 3;
}

bool membership::may_declare() const
{
    return contact_since_ && steady_clock::now() - *contact_since_ >= options_.row.lease && last_contact_ago() < silence_limit();
}

steady_clock::duration membership::last_contact_ago() const
{
    const auto last = last_contact_.load();
    return last == 0 ? steady_clock::duration{-1} : steady_clock::now() - deadline{steady_clock::duration{last}};
}

awaitable<result<void>> membership::join()
{
    const auto asked = steady_clock::now();
    auto row = options_.row;
    row.was = self_.id();
    const auto joined = co_await control_.write([row = std::move(row)](storage::session& s) -> result<instance_id> { return storage::join_cluster(s, row); });
    contact(joined.has_value(), asked);
    crash_point("join.after_commit");
    if (!joined) co_return joined.error();
    self_.become(*joined);
    self_.lease_until(asked + options_.row.lease);
    spdlog::info("joined as instance {}", joined->value);
    co_return result<void>{};
}

awaitable<result<void>> membership::start()
{
    const auto made = co_await control_.write([days = options_.partition_days_ahead](storage::session& s) -> result<int> { return storage::make_partitions(s, days); });
    if (!made) co_return made.error();
    const auto told = co_await control_.write([settings = options_.settings](storage::session& s) -> result<void> {
        storage::tell_settings(s, settings);
        return {};
    });
    if (!told) co_return told.error();
    if (const auto joined = co_await join(); !joined) co_return joined.error();
    if (options_.sole_instance) {
        const auto dead = co_await control_.write([self = self_.id()](storage::session& s) -> result<int> { return storage::declare_dead(s, self, true); });
        if (!dead) co_return dead.error();
        if (*dead > 0) co_await take_over();
    }
    services_.spawn(keep_lease());
    services_.spawn(keep_ticking());
    services_.spawn(keep_up());
    co_return result<void>{};
}

awaitable<void> membership::stop()
{
    stopped_ = true;
    services_.cancel();
    co_await services_.join();
}

awaitable<result<int>> membership::hand_back(std::string reason)
{
    co_return co_await control_.write([self = self_.id(), reason = std::move(reason)](storage::session& s) -> result<int> {
        storage::array lo(storage::array::element::uuid);
        storage::array fences(storage::array::element::int4);
        for (const auto& x : storage::owned_extents(s, self)) {
            lo.add(x.lo);
            fences.add(x.fence.value);
        }
        const int n = lo.size() > 0 ? storage::hand_back(s, self, lo, fences, reason) : 0;
        if (n > 0) storage::notify(s, wake_channel, wake_payload(self));
        return n;
    });
}

awaitable<result<int>> membership::leave(std::string reason)
{
    const auto left = co_await hand_back(std::move(reason));
    if (!left) co_return left;
    const auto gone = co_await control_.write([self = self_.id()](storage::session& s) -> result<bool> { return storage::leave_cluster(s, self); });
    if (!gone) co_return gone.error();
    co_return left;
}

void membership::poke()
{
    boost::asio::post(home_.executor(), [this] {
        tick_again_ = true;
        next_tick_.cancel();
    });
}

void membership::poke_in(milliseconds delay)
{
    if (delay >= options_.poll) return;              // it looks by then anyhow; and the delay may be centuries
    boost::asio::post(home_.executor(), [this, at = steady_clock::now() + delay] {
        if (at < next_tick_.expiry()) {
            // The tick service waits on this timer; it is woken, and waits for the nearer moment.
            tick_again_ = tick_again_ || at <= steady_clock::now();
            next_tick_.expires_at(at);
        }
    });
}

void membership::announce()
{
    boost::asio::post(home_.executor(), [this] {
        if (stopped_ || std::exchange(announcing_, true)) return;
        services_.spawn(send_announcement());
    });
}

void membership::announce_softly()
{
    boost::asio::post(home_.executor(), [this] {
        softly_asked_ = steady_clock::now();
        if (stopped_ || std::exchange(announcing_softly_, true)) return;
        services_.spawn(send_soft_announcement());
    });
}

awaitable<void> membership::send_announcement()
{
    co_await sleep_until(last_announcement_ + announcement_gap);
    announcing_ = false;
    co_await notify_others();
}

awaitable<void> membership::send_soft_announcement()
{
    co_await sleep_until(last_announcement_ + soft_announcement_gap);
    announcing_softly_ = false;
    // One that was more urgent may have said it already.
    if (last_announcement_ < softly_asked_) co_await notify_others();
}

awaitable<void> membership::notify_others()
{
    last_announcement_ = steady_clock::now();
    co_await control_.write([self = self_.id()](storage::session& s) -> result<void> {
        storage::notify(s, wake_channel, wake_payload(self));
        return {};
    });
}

awaitable<void> membership::keep_lease()
{
    const auto lease = options_.row.lease;
    auto next = steady_clock::now() + lease / 3;
    while (co_await sleep_until(next)) {
        const auto asked = steady_clock::now();
        const auto renewed = co_await control_.write([self = self_.id(), lease](storage::session& s) -> result<bool> { return storage::renew_lease(s, self, lease); });
        counts_.statements.fetch_add(1, std::memory_order_relaxed);
        contact(renewed.has_value(), asked);
        if (!renewed) {
            next = steady_clock::now() + std::chrono::milliseconds{500};
            continue;
        }
        if (*renewed) {
            self_.lease_until(asked + lease);
            co_await return_strangers();
        } else {
            co_await rejoin();
        }
        next = asked + lease / 3;
    }
}

awaitable<void> membership::rejoin()
{
    // Somebody else has, or will take, everything that this instance owned. What runs here is stopped, and would not count.
    spdlog::warn("instance {} has been declared dead: its work is cancelled, and it joins anew", self_.id().value);
    counts_.leases_lost.fetch_add(1, std::memory_order_relaxed);
    self_.lease_until({});
    runs_.stop_all(stop_reason::lease_lost);
    owned_.clear();
    while (true) {
        if (co_await join()) break;
        if (!co_await sleep_until(steady_clock::now() + std::chrono::milliseconds{500})) co_return;
    }
    claims_.wake();
}

awaitable<void> membership::return_strangers()
{
    const auto returned = co_await control_.write([self = self_.id(), this](storage::session& s) -> result<int> { return hand_back_unheard(s, self, owned_, strangers_patience); });
    counts_.statements.fetch_add(1, std::memory_order_relaxed);
    if (returned && *returned > 0) {
        counts_.handed_back.fetch_add(static_cast<std::uint64_t>(*returned), std::memory_order_relaxed);
        claims_.wake();
        claims_.doubt();     // what they used of slots that are kept is free
    }
}

awaitable<void> membership::keep_ticking()
{
    bool away = false;
    for (;;) {
        // A database that stood still for a while works off what had been asked before: by then the leases of all have run out.
        const auto asked = steady_clock::now();
        const auto declare_until = may_declare() ? std::optional(self_.database_now() + silence_limit()) : std::nullopt;
        const auto tick = co_await control_.write([self = self_.id(), declare_until, look = claims_.wants_to_know()](storage::session& s) -> result<storage::tick_answer> {
            return storage::tick(s, self, declare_until.has_value(), declare_until, look);
        });
        counts_.statements.fetch_add(1, std::memory_order_relaxed);
        contact(tick.has_value(), asked);
        auto wait = std::chrono::duration_cast<std::chrono::microseconds>(options_.poll);
        if (tick) {
            if (std::exchange(away, false)) spdlog::info("the database is back");
            co_await act_on(*tick, asked);
            if (tick->next_eligible_in) wait = std::min(wait, std::max(*tick->next_eligible_in, std::chrono::microseconds{0}));
            if (tick->next_start_in) wait = std::min(wait, std::max(*tick->next_start_in, std::chrono::microseconds{0}));
        } else if (tick.error().code == errc::database_unavailable && !std::exchange(away, true)) {
            spdlog::warn("the database is away: running work goes on, nothing new is started");
        }
        next_tick_.expires_after(wait);
        while (!std::exchange(tick_again_, false)) {
            boost::system::error_code ec;
            co_await next_tick_.async_wait(boost::asio::redirect_error(use_awaitable, ec));
            const auto state = co_await boost::asio::this_coro::cancellation_state;
            if (state.cancelled() != boost::asio::cancellation_type::none) co_return;
            if (!ec) break;
        }
    }
}

awaitable<void> membership::act_on(storage::tick_answer tick, deadline asked)
{
    self_.heard_clock(tick.now);
    if (options_.heard) options_.heard(tick.draining, tick.uneven, asked);
    // What waited for a rate can be claimed now, even if somebody has looked just before.
    const bool may_start = next_start_ && steady_clock::now() >= *next_start_;
    next_start_ = tick.next_start_in ? std::optional(steady_clock::now() + *tick.next_start_in) : std::nullopt;
    if (tick.queued || may_start) claims_.wake();
    if (tick.changes != seen_changes_) {
        const auto changed = co_await control_.read([since = seen_changes_](storage::session& s) -> result<std::vector<job_key>> { return storage::changed_jobs(s, since); });
        if (changed) {
            jobs_.forget(*changed);
            seen_changes_ = tick.changes;
        }
    }
    if (tick.cancels > 0) {
        const auto requests = co_await control_.read([self = self_.id()](storage::session& s) -> result<std::vector<storage::cancel_request>> { return storage::cancel_requests(s, self); });
        if (requests) runs_.cancel(*requests);
    }
    // A plan that its composite job has left behind shows in no tick, nor does what has waited for too long.
    const bool also_look = steady_clock::now() >= next_plans_look_;
    if (also_look) next_plans_look_ = steady_clock::now() + options_.between_plans_looks;
    if ((tick.plans || also_look) && options_.plans_left) options_.plans_left();
    if (tick.expired) co_await expire();
    if (tick.dead > 0) co_await take_over();
}

awaitable<void> membership::expire()
{
    for (;;) {
        const auto ended = co_await control_.write([kept = options_.dead_letters_kept](storage::session& s) -> result<std::vector<execution_id>> {
            return storage::expire(s, kept, expiry_batch);
        });
        counts_.statements.fetch_add(1, std::memory_order_relaxed);
        if (!ended || ended->empty()) co_return;
        counts_.ended[static_cast<std::size_t>(execution_status::timeout)].fetch_add(ended->size(), std::memory_order_relaxed);
        if (options_.runs_ended) options_.runs_ended(*ended);
        const auto late = co_await control_.read([runs = *ended](storage::session& s) -> result<int> { return storage::dependency_timeouts_of(s, runs); });
        counts_.statements.fetch_add(1, std::memory_order_relaxed);
        if (late) counts_.dependency_timeouts.fetch_add(static_cast<std::uint64_t>(*late), std::memory_order_relaxed);
    }
}

awaitable<void> membership::take_over()
{
    for (;;) {
        const auto n = co_await control_.write([self = self_.id(), age = options_.priority_age, kept = options_.dead_letters_kept](storage::session& s) -> result<int> {
            return storage::takeover(s, self, age, takeover_batch, kept);
        });
        counts_.statements.fetch_add(1, std::memory_order_relaxed);
        crash_point("takeover.after_commit");
        if (!n || *n == 0) co_return;
        spdlog::warn("took over {} executions of instances that are gone", *n);
        counts_.taken_over.fetch_add(static_cast<std::uint64_t>(*n), std::memory_order_relaxed);
        claims_.wake();
        announce();
    }
}

awaitable<void> membership::keep_up()
{
    auto partitions_due = steady_clock::now() + std::chrono::hours{1};
    while (co_await sleep_until(steady_clock::now() + std::chrono::minutes{1})) {
        for (;;) {
            const auto swept = co_await control_.write([](storage::session& s) -> result<int> { return storage::sweep(s, 1000); });
            if (!swept || *swept < 1000) break;
        }
        if (steady_clock::now() < partitions_due) continue;
        const auto made = co_await control_.write([days = options_.partition_days_ahead](storage::session& s) -> result<int> { return storage::make_partitions(s, days); });
        partitions_due = steady_clock::now() + (made ? std::chrono::minutes{60} : std::chrono::minutes{5});
    }
}

}
