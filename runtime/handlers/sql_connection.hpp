#pragma once

#include "runtime/handlers/failure.hpp"
#include "runtime/handlers/name_lookup.hpp"
#include "runtime/handlers/sql_binds.hpp"
#include "runtime/handlers/sql_pool.hpp"
#include "runtime/handlers/sql_rows.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

struct pg_result;

namespace rowlock::runtime {

// How the wait for a statement's end came out.
enum class sql_end : std::uint8_t {
    done,                                            // it has been carried out and committed
    refused,                                         // by the server, which has undone it; `why` says the reason
    lost,                                            // the connection broke: whether it was carried out is not known
    interrupted,                                     // not over; await_end() may be called again
    late,                                            // the same, at the deadline
};

struct sql_answer {
    sql_end end = sql_end::lost;
    std::int64_t row_count = 0;                      // rows returned, or changed
    failure why{};
};

// A session with a database, driven on one core by libpq's functions that do not block. One statement at a time. Used on its core.
class sql_connection {
public:
    // `kept` may be empty. The address outlives it.
    sql_connection(io_executor executor, const sql_address& to, sql_session kept);
    ~sql_connection();

    sql_connection(const sql_connection&) = delete;
    sql_connection& operator=(const sql_connection&) = delete;

    bool is_open() const { return session_ != nullptr; }
    // Fails with CONNECTION_FAILED, also where it was interrupted.
    awaitable<attempted<void>> open(deadline until);

    // Sends one statement in the extended protocol, which takes no more than one: it is a transaction of its own.
    awaitable<sql_answer> run(std::string statement, std::vector<sql_bind> binds, sql_rows& rows, deadline until);
    // Goes on waiting where run() was interrupted.
    awaitable<sql_answer> await_end(sql_rows& rows, deadline until);

    // Ends the wait that is under way, or the next one.
    void interrupt();

    // For sql_pool::cancel; nullptr where there is no session.
    std::shared_ptr<pg_cancel> cancel_handle() const;

    // What the server had to say beside its answers, a line each; at most so much as is worth a log.
    std::string take_notices();

    // The session, where it is open and in no transaction; else it is closed and the result is empty.
    sql_session release();
    void close();

private:
    enum class woken : std::uint8_t { ready, interrupted, late };
    using descriptor = boost::asio::posix::basic_stream_descriptor<io_executor>;
    struct wake;

    awaitable<attempted<void>> open_at(sql_address::host at, std::string session_attrs, deadline until);
    awaitable<attempted<std::vector<sql_address::host>>> look_up(sql_address::host host, deadline until);
    awaitable<woken> wait(descriptor::wait_type what, deadline until);
    void watch();
    void forget();
    bool receive();
    void take(const pg_result& part, sql_rows& rows);
    sql_answer lost();
    failure connection_failed(std::string_view why) const;

    io_executor executor_;
    const sql_address& to_;
    sql_session session_;
    descriptor socket_;
    std::shared_ptr<wake> wake_;
    name_lookup* looking_ = nullptr;
    bool flushing_ = false;
    sql_answer answer_;                              // of the statement that is under way, as far as it has come
    std::string notices_;
};

}
