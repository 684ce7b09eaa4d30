#include "runtime/execute/run_watch.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>

namespace rowlock::runtime {

namespace {

constexpr auto poll_gap = std::chrono::milliseconds{100};
constexpr auto look_soon = std::chrono::milliseconds{2};
constexpr auto poke_gap = std::chrono::milliseconds{10};

}

// Where one coroutine waits: a timer on its core, set back when the run has ended.
struct run_watch::place {
    place(core& where, deadline until) : home(where), timer(where.executor(), until) {}

    core& home;
    steady_timer timer;                              // used on `home` only
    std::atomic<bool> ended{false};
    bool looked_at = false;                          // under the watch's mutex

    // From any thread.
    static void wake(std::shared_ptr<place> self)
    {
        core& home = self->home;
        boost::asio::post(home.executor(), [self = std::move(self)] { self->timer.cancel(); });
    }
};

run_watch::run_watch(database& db, core& home, std::size_t max_waiting, find_ended look)
    : db_(db), home_(home), next_look_(home.executor()), max_waiting_(max_waiting), look_(look)
{
}

awaitable<result<bool>> run_watch::wait(execution_id any_of_the_run, deadline until)
{
    core& here = core::of(co_await boost::asio::this_coro::executor);
    const auto mine = std::make_shared<place>(here, until);
    {
        const std::lock_guard lock(mutex_);
        if (stopping_) co_return error{errc::stopping, "The server is stopping.", {}, std::chrono::seconds{1}};
        if (waiting_.size() >= max_waiting_) co_return error{errc::overloaded, "Too many requests wait for executions to end.", {}, std::chrono::seconds{1}};
        waiting_.emplace(any_of_the_run, mine);
    }
    // It may have ended already.
    boost::asio::post(home_.executor(), [this] {
        if (next_look_.expiry() > steady_clock::now() + look_soon) next_look_.expires_after(look_soon);
    });
    while (!mine->ended.load() && steady_clock::now() < until) {
        boost::system::error_code ec;
        co_await mine->timer.async_wait(boost::asio::redirect_error(use_awaitable, ec));
        const auto state = co_await boost::asio::this_coro::cancellation_state;
        if (!ec || state.cancelled() != boost::asio::cancellation_type::none || stopping_now()) break;
    }
    {
        const std::lock_guard lock(mutex_);
        const auto [first, last] = waiting_.equal_range(any_of_the_run);
        for (auto at = first; at != last; ++at) {
            if (at->second == mine) {
                waiting_.erase(at);
                break;
            }
        }
    }
    co_return mine->ended.load();
}

bool run_watch::stopping_now() const
{
    const std::lock_guard lock(mutex_);
    return stopping_;
}

void run_watch::ended(const std::vector<execution_id>& runs)
{
    std::vector<std::shared_ptr<place>> woken;
    {
        const std::lock_guard lock(mutex_);
        if (waiting_.empty()) return;
        for (const auto& run : runs) {
            const auto [first, last] = waiting_.equal_range(run);
            for (auto at = first; at != last; ++at) woken.push_back(at->second);
        }
    }
    for (auto& each : woken) {
        each->ended.store(true);
        place::wake(std::move(each));
    }
}

void run_watch::poke()
{
    {
        const std::lock_guard lock(mutex_);
        if (waiting_.empty()) return;
    }
    if (poked_.exchange(true)) return;
    boost::asio::post(home_.executor(), [this] {
        const auto soon = std::max<deadline>(steady_clock::now(), rested_);
        if (next_look_.expiry() > soon) next_look_.expires_at(soon);
    });
}

void run_watch::stop()
{
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& [id, each] : waiting_) place::wake(each);
}

awaitable<void> run_watch::run()
{
    auto full_look = steady_clock::now();
    for (;;) {
        next_look_.expires_at(full_look);
        for (;;) {
            boost::system::error_code ec;
            co_await next_look_.async_wait(boost::asio::redirect_error(use_awaitable, ec));
            const auto state = co_await boost::asio::this_coro::cancellation_state;
            if (state.cancelled() != boost::asio::cancellation_type::none) co_return;
            if (!ec) break;                          // else the timer was set to a nearer moment
        }
        // Those who are new are looked at once at once, everybody at every full look.
        const bool poked = poked_.exchange(false);
        const bool all = poked || steady_clock::now() >= full_look;
        std::vector<execution_id> ids;
        {
            const std::lock_guard lock(mutex_);
            for (auto& [id, each] : waiting_) {
                if (all || !each->looked_at) ids.push_back(id);
                each->looked_at = true;
            }
        }
        if (all) full_look = steady_clock::now() + std::max<steady_clock::duration>(poll_gap, std::chrono::microseconds{200} * ids.size());
        if (ids.empty()) {
            if (all) full_look = steady_clock::now() + std::chrono::hours{1};
            continue;
        }
        const auto found = co_await db_.read([look = look_, ids = std::move(ids)](storage::session& s) -> result<std::vector<execution_id>> { return look(s, ids); });
        if (found) ended(*found);
        rested_ = steady_clock::now() + poke_gap;
        if (full_look > steady_clock::now() + std::chrono::minutes{1}) full_look = steady_clock::now() + poll_gap;
    }
}

}
