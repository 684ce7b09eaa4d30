#pragma once

#include "runtime/async/suspend.hpp"
#include "runtime/handlers/handlers.hpp"
#include "runtime/handlers/sql_address.hpp"

#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct pg_conn;
struct pg_cancel;

namespace rowlock::runtime {

struct sql_closer {
    void operator()(pg_conn* connection) const;
};
using sql_session = std::unique_ptr<pg_conn, sql_closer>;

class sql_pool;

// The right to one connection of a name, given back with this object, and the session that was kept of an earlier one, where there was one.
class sql_place {
public:
    sql_place() = default;
    sql_place(sql_pool* pool, std::size_t database, sql_session kept);
    sql_place(sql_place&& other) noexcept;
    sql_place& operator=(sql_place&& other) noexcept;
    ~sql_place();

    explicit operator bool() const { return pool_ != nullptr; }
    sql_session take_kept() { return std::move(kept_); }
    // Gives the place back, with a session that the next one may use.
    void give_back(sql_session kept);

private:
    sql_pool* pool_ = nullptr;
    std::size_t database_ = 0;
    sql_session kept_;
};

// Where an attempt stands in the queue for a place. Shared with the pool.
struct sql_turn {
    std::unique_ptr<waiter<sql_place>> who;          // guarded by the pool, as what follows
    bool given_up = false;
};

// The connections of an instance for sql jobs: so many for each name, over all cores. Who finds none waits for one in turn, without a thread.
// Any thread.
class sql_pool {
public:
    explicit sql_pool(const sql_options& options);
    // After every place has been given back. Waits for cancel requests that are on their way, some seconds where the host is dead.
    ~sql_pool();

    sql_pool(const sql_pool&) = delete;
    sql_pool& operator=(const sql_pool&) = delete;

    const sql_options& options() const { return options_; }
    // nullptr: there is no such name. Outlives its users.
    const sql_address* find(std::string_view name) const;
    // "a, b", for people.
    std::string names() const;

    // One of find()'s. Resumes the caller on its core; an empty place where the turn was given up.
    awaitable<sql_place> take(const sql_address& address, std::shared_ptr<sql_turn> turn);
    // Answers take() with an empty place, if it still waits.
    void give_up(const std::shared_ptr<sql_turn>& turn);

    // Asks the server to end what a session does, from a thread of the pool's: libpq does this only by blocking. `under_way` turns false when
    // it has been asked; it is not asked again before.
    void cancel(std::shared_ptr<pg_cancel> what, std::shared_ptr<std::atomic<bool>> under_way);

    // Closes what nobody has used for long. When it is to be called again; nullopt: nothing is left to be closed.
    std::optional<deadline> close_idle(deadline now);

private:
    friend class sql_place;

    struct idle {
        sql_session session;
        deadline until;
    };
    struct database {
        sql_address address;
        int taken = 0;
        std::deque<idle> sessions;                   // the one used last is at the end; with `taken` never more than max_connections
        std::deque<std::shared_ptr<sql_turn>> waiting;
    };

    void give_back(std::size_t which, sql_session kept);

    sql_options options_;
    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<database>> databases_;
    std::optional<boost::asio::thread_pool> cancels_;
};

}
