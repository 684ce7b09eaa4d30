#pragma once

#include "storage/model/error.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace rowlock::ops {

// The private PostgreSQL of `rowlock dev`: a cluster in the data folder, reachable through a unix socket only, that lives as long as this
// object or, when the process is killed, shuts down cleanly by itself. Made on first use.
//
// Errors: invalid_request is for what the operator has to change (another server has the folder, no PostgreSQL is installed or only
// another major version, the folder cannot be used; the program ends with 2), database_unavailable for the rest (initdb or the
// database failed, the disk is full; 4). The detail is one message with the end of the log. After any of them the next start works.
//
// Every function may be called from any thread and blocks it: from 0.1 s (start) to a minute (a busy database that shuts down).
class dev_postgres {
public:
    struct options {
        std::filesystem::path data_dir;
        // For the postmaster's command line, over those in the cluster's postgresql.conf.
        std::vector<std::pair<std::string, std::string>> settings{};
        // Also makes the database and the user `work`, for the jobs: not Rowlock's own, and without its rights.
        bool work_database = false;
        // How long the database may take to accept connections, recovery after a crash included.
        std::chrono::milliseconds start_limit = std::chrono::minutes(5);
    };

    // Returns when the database `rowlock` accepts connections and DIR/database_url names it.
    static result<dev_postgres> start(options what);

    dev_postgres(dev_postgres&&) noexcept;
    dev_postgres& operator=(dev_postgres&&) noexcept;
    // Stops the database.
    ~dev_postgres();

    // For libpq. The same over restarts.
    const std::string& url() const;

    // The same for the jobs' database, where it was asked for.
    std::string work_url() const;

    // Whether the postmaster lives. Its backends may not: sessions notice that by themselves.
    bool running() const;

    // A descriptor that becomes readable when the postmaster has ended: wait for it, then call ensure_running(), after which it is
    // another one. Owned by this object; -1 after stop() and after an ensure_running() that failed.
    int watch_fd() const;

    // Starts the database again if it has ended; what was committed is there. After an error (as of start(), or `stopping` after stop())
    // it may be called again, with a pause that is the caller's affair.
    result<void> ensure_running();

    // A fast shutdown, after 60 s an immediate one. Releases the data folder. Nothing happens the second time.
    void stop();

private:
    struct state;
    explicit dev_postgres(std::unique_ptr<state> with);
    std::unique_ptr<state> state_;
};

}
