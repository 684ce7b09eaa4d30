#include "runtime/handlers/sql_pool.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <libpq-fe.h>
#include <spdlog/spdlog.h>
#include <utility>

namespace rowlock::runtime {

namespace {

// A dead host holds one of them up until tcp_user_timeout ends it.
constexpr std::size_t cancel_threads = 2;

}

void sql_closer::operator()(pg_conn* connection) const
{
    PQfinish(connection);
}

sql_place::sql_place(sql_pool* pool, std::size_t database, sql_session kept) : pool_(pool), database_(database), kept_(std::move(kept)) {}

sql_place::sql_place(sql_place&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), database_(other.database_), kept_(std::move(other.kept_)) {}

sql_place& sql_place::operator=(sql_place&& other) noexcept
{
    if (this == &other) return *this;
    if (pool_ != nullptr) give_back(std::move(kept_));
    pool_ = std::exchange(other.pool_, nullptr);
    database_ = other.database_;
    kept_ = std::move(other.kept_);
    return *this;
}

sql_place::~sql_place()
{
    // A session that nobody took is as good as before.
    if (pool_ != nullptr) give_back(std::move(kept_));
}

void sql_place::give_back(sql_session kept)
{
    if (auto* pool = std::exchange(pool_, nullptr)) pool->give_back(database_, std::move(kept));
}

sql_pool::sql_pool(const sql_options& options) : options_(options)
{
    for (const auto& [name, url] : options_.connections) databases_.push_back(std::make_unique<database>(database{sql_address(name, url), 0, {}, {}}));
    if (!databases_.empty()) cancels_.emplace(cancel_threads);
}

sql_pool::~sql_pool()
{
    if (cancels_) cancels_->join();
}

const sql_address* sql_pool::find(std::string_view name) const
{
    const auto at = std::find_if(databases_.begin(), databases_.end(), [name](const auto& d) { return d->address.name() == name; });
    return at == databases_.end() ? nullptr : &(*at)->address;
}

std::string sql_pool::names() const
{
    std::string all;
    for (const auto& d : databases_) all += (all.empty() ? "" : ", ") + d->address.name();
    return all;
}

awaitable<sql_place> sql_pool::take(const sql_address& address, std::shared_ptr<sql_turn> turn)
{
    const auto at = std::find_if(databases_.begin(), databases_.end(), [&address](const auto& d) { return &d->address == &address; });
    const auto which = static_cast<std::size_t>(at - databases_.begin());
    co_return co_await suspend_for<sql_place>([this, which, turn = std::move(turn)](std::unique_ptr<waiter<sql_place>> who) {
        sql_place place;
        {
            const std::lock_guard lock(mutex_);
            auto& d = *databases_[which];
            if (!turn->given_up) {
                if (d.taken >= options_.max_connections) {
                    turn->who = std::move(who);
                    d.waiting.push_back(turn);
                    return;
                }
                ++d.taken;
                sql_session kept;
                if (!d.sessions.empty()) {
                    kept = std::move(d.sessions.back().session);
                    d.sessions.pop_back();
                }
                place = sql_place(this, which, std::move(kept));
            }
        }
        waiter<sql_place>::answer(std::move(who), std::move(place));
    });
}

void sql_pool::give_up(const std::shared_ptr<sql_turn>& turn)
{
    std::unique_ptr<waiter<sql_place>> who;
    {
        const std::lock_guard lock(mutex_);
        turn->given_up = true;
        who = std::move(turn->who);
        for (auto& d : databases_) std::erase(d->waiting, turn);
    }
    if (who) waiter<sql_place>::answer(std::move(who), sql_place());
}

void sql_pool::give_back(std::size_t which, sql_session kept)
{
    std::unique_ptr<waiter<sql_place>> next;
    {
        const std::lock_guard lock(mutex_);
        auto& d = *databases_[which];
        if (d.waiting.empty()) {
            --d.taken;
            if (kept) d.sessions.push_back({std::move(kept), steady_clock::now() + options_.idle_time});
            return;
        }
        next = std::move(d.waiting.front()->who);
        d.waiting.pop_front();
    }
    waiter<sql_place>::answer(std::move(next), sql_place(this, which, std::move(kept)));
}

void sql_pool::cancel(std::shared_ptr<pg_cancel> what, std::shared_ptr<std::atomic<bool>> under_way)
{
    if (!what || under_way->exchange(true)) return;
    boost::asio::post(*cancels_, [what = std::move(what), under_way = std::move(under_way)] {
        char why[256] = {};
        // Sent again by who waits for it, while it has not come through.
        if (PQcancel(what.get(), why, sizeof why) == 0) spdlog::debug("a statement could not be cancelled: {}", why);
        under_way->store(false);
    });
}

std::optional<deadline> sql_pool::close_idle(deadline now)
{
    std::vector<sql_session> old;
    std::optional<deadline> next;
    {
        const std::lock_guard lock(mutex_);
        for (auto& d : databases_) {
            // Those in front have been idle longest.
            while (!d->sessions.empty() && d->sessions.front().until <= now) {
                old.push_back(std::move(d->sessions.front().session));
                d->sessions.pop_front();
            }
            if (!d->sessions.empty()) next = std::min(next.value_or(no_deadline), d->sessions.front().until);
        }
    }
    return next;
}

}
