#pragma once

#include "storage/model/error.hpp"

#include <chrono>
#include <memory>
#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <unordered_set>

namespace rowlock::storage {

// A named SQL constant above the one function that uses it. Prepared at its first use in a session.
struct statement {
    const char* name;
    const char* sql;
};

// What a session is for decides its planner settings and its timeouts.
enum class session_kind : std::uint8_t {
    queue,      // submit, claim, settle: generic plans over arrays
    general,    // reads and control: plans made for the values
};

struct session_options {
    std::string url;                                 // completed by with_connection_defaults()
    session_kind kind = session_kind::general;
    std::string application_name = "rowlock";
    std::chrono::milliseconds statement_timeout{30'000};
};

// One libpqxx connection, used by one thread at a time. Connects at its first use and after it was broken; never reconnects
// behind the caller's back. Throws pqxx::broken_connection where the server is away (also while it starts or stops), other pqxx
// exceptions for what the server refuses.
class session {
public:
    explicit session(session_options options);
    ~session();

    session(const session&) = delete;
    session& operator=(const session&) = delete;

    // Runs one statement as one transaction of its own: one round trip. Arguments as libpqxx takes them; binary ones as
    // pqxx::binarystring (see array.hpp).
    template <class... Args>
    pqxx::result exec(const statement& s, Args&&... args)
    {
        return guarded([&] {
            prepare(s);
            pqxx::nontransaction tx(*connection_);
            return tx.exec_prepared(s.name, std::forward<Args>(args)...);
        });
    }

    // Several statements as one transaction: `f` gets a transaction whose exec(statement, args...) works like the above, and what it
    // returns is returned after the commit. An exception rolls back.
    class transaction;
    template <class F>
    auto in_transaction(F f);

    // Text without parameters: migrations, LISTEN, settings.
    pqxx::result run(std::string_view sql);

    // Makes sure that there is a connection.
    void connect();
    // Drops the connection; the next use makes a new one.
    void disconnect() noexcept;
    bool connected() const noexcept { return connection_ != nullptr; }
    pqxx::connection& raw();

private:
    void prepare(const statement& s);

    // A connection that broke, or whose state is unknown, is not used again.
    template <class F>
    auto guarded(F f)
    {
        connect();
        try {
            return f();
        } catch (...) {
            after_failure();
            throw;
        }
    }
    void after_failure() noexcept;

    session_options options_;
    std::unique_ptr<pqxx::connection> connection_;
    std::unique_ptr<pqxx::errorhandler> quiet_;
    std::unordered_set<const char*> prepared_;
};

class session::transaction {
public:
    template <class... Args>
    pqxx::result exec(const statement& s, Args&&... args)
    {
        owner_.prepare(s);
        return work_.exec_prepared(s.name, std::forward<Args>(args)...);
    }

private:
    friend class session;
    transaction(session& owner, pqxx::work& work) : owner_(owner), work_(work) {}
    session& owner_;
    pqxx::work& work_;
};

template <class F>
auto session::in_transaction(F f)
{
    return guarded([&] {
        pqxx::work work(*connection_);
        transaction tx(*this, work);
        auto value = f(tx);
        work.commit();
        return value;
    });
}

// SQLSTATE of a failed statement ("" where there is none).
std::string sqlstate_of(const pqxx::sql_error& e);
// Is this a server that is away, starting, stopping or switching over, so that the same may work later?
bool is_away(const std::exception& e);
// Did the server refuse this for what goes by (a timeout, a lock, a deadlock, memory, disk), so that the same may work later? Nothing was
// committed.
bool is_passing(const std::exception& e);

}
