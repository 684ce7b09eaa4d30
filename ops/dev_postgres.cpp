#include "ops/dev_postgres.hpp"

#include "ops/postgres/leftovers.hpp"
#include "ops/postgres/programs.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <linux/capability.h>
#include <mutex>
#include <optional>
#include <poll.h>
#include <pqxx/pqxx>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace rowlock::ops {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view database = "rowlock";
constexpr std::string_view work = "work";            // the jobs' user and its database
constexpr std::uintmax_t largest_log = 16u << 20;

// What differs from PostgreSQL's own defaults. fsync and synchronous_commit stay on: "committed" means the same as in production.
constexpr std::string_view settings_file = R"(
# Rowlock's private cluster. Change what you like: the file is written once.
max_connections = 100
shared_buffers = 256MB
max_wal_size = 2GB
fsync = on
synchronous_commit = on
wal_level = replica
autovacuum = on
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
)";

std::string how_it_ended(int status)
{
    if (WIFSIGNALED(status)) return fmt::format("was ended by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
    return fmt::format("ended with exit code {}", WEXITSTATUS(status));
}

std::string indented(std::string_view lines)
{
    std::string out;
    for (std::size_t at = 0; at < lines.size();) {
        const auto end = std::min(lines.find('\n', at), lines.size());
        out += "\n    ";
        out += lines.substr(at, end - at);
        at = end + 1;
    }
    return out;
}

bool may_pass_any_folder(int capability)
{
    __user_cap_header_struct head{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct sets[2]{};
    return ::syscall(SYS_capget, &head, sets) == 0 && (sets[0].permitted & (1u << capability)) != 0;
}

}

struct dev_postgres::state {
    options what;
    data_folder folder;
    std::optional<folder_lock> lock;
    std::string url;

    spawner children{};
    postgres_programs programs{};
    std::optional<account> owner{};
    int capability = -1;

    mutable std::mutex mutex{};             // guards what follows
    std::optional<child> postmaster{};
    bool stopped = false;

    child_options as_owner(std::vector<std::string> command) const
    {
        return {.command = std::move(command), .environment = postgres_environment(), .as = owner, .capability = capability};
    }

    result<void> prepare();
    result<void> let_owner_in();
    result<void> make_cluster();
    result<void> launch();
    result<void> wait_until_ready(std::uintmax_t log_before);
    void make_database() const;
    void shut_down();
};

// Everything up to a cluster that can be started.
result<void> dev_postgres::state::prepare()
{
    if (auto ended = end_leftovers(folder); !ended) return ended;
    int major = 0;
    if (fs::exists(fs::symlink_status(folder.cluster()))) {
        std::ifstream version(folder.cluster() / "PG_VERSION");
        if (!(version >> major) || major <= 0)
            return error{errc::invalid_request, fmt::format("{} is there but is not a PostgreSQL cluster (it has no PG_VERSION). Move it away, or choose another "
                                                            "folder with --data DIR.",
                                                            folder.cluster().string())};
    }
    auto for_whom = owner_of(folder);
    if (!for_whom) return for_whom.error();
    owner = std::move(*for_whom);
    auto found = find_postgres_programs(children, major);
    if (!found && major != 0) return error{found.error().code, fmt::format("{} was made by PostgreSQL {}. {}", folder.cluster().string(), major, found.error().detail)};
    if (!found) return found.error();
    programs = std::move(*found);
    if (auto entered = let_owner_in(); !entered) return entered;
    if (major == 0) return make_cluster();
    return owner ? give_cluster(folder, *owner) : result<void>{};
}

// Root's folders, /root above all, are closed to the account that the database runs as. It then keeps the one power to pass through
// folders (CAP_DAC_READ_SEARCH, else CAP_DAC_OVERRIDE): only root reaches its socket, and root has that power anyhow.
result<void> dev_postgres::state::let_owner_in()
{
    if (!owner) return {};
    for (const int tried : {-1, CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE}) {
        if (tried >= 0 && !may_pass_any_folder(tried)) continue;
        capability = tried;
        // Not access(), which looks at an account without its capabilities.
        auto entered = run_program(children, as_owner({"/usr/bin/stat", (folder.root / ".").string()}), 10s);
        if (entered && entered->succeeded()) return {};
    }
    return error{errc::invalid_request, fmt::format("PostgreSQL refuses to run as root, and the user {} may not enter {}. Open the folders on the way to it "
                                                    "(chmod o+x), or choose one that everybody may enter, as in --data /var/lib/rowlock.",
                                                    owner->name, folder.root.string())};
}

// In a folder of its own that is renamed when it is complete, so that a crash leaves nothing that looks like a cluster.
result<void> dev_postgres::state::make_cluster()
{
    const fs::path making = folder.half_made();
    const auto failed = [this, &making](std::string_view why, std::string_view log) {
        std::error_code ignored;
        fs::remove_all(making, ignored);
        return error{errc::database_unavailable,
                     fmt::format("A PostgreSQL cluster cannot be made in {}: {}.{}{}", folder.root.string(), why, disk_note(folder.root), indented(last_lines(log)))};
    };
    std::error_code cause;
    fs::remove_all(making, cause);
    if (cause) return failed(fmt::format("the half-made {} cannot be removed: {}", making.string(), cause.message()), "");
    if (auto made = make_private_folder(making, owner); !made) return failed(made.error().detail, "");

    auto command = as_owner({(programs.folder / "initdb").string(), "-D", making.string(), "--username=postgres", "--auth-local=trust", "--auth-host=reject",
                             "--encoding=UTF8", "--locale=C.UTF-8"});
    if (std::ranges::find(what.settings, std::pair<std::string, std::string>("fsync", "off")) != what.settings.end()) command.command.emplace_back("--no-sync");
    auto ran = run_program(children, std::move(command), 5min);
    if (!ran) return failed(ran.error().detail, "");
    if (!ran->succeeded()) return failed("initdb " + how_it_ended(ran->status), ran->output);

    std::ofstream settings(making / "postgresql.conf", std::ios::app);
    settings << settings_file << std::flush;
    if (!settings) return failed("postgresql.conf cannot be written", "");
    settings.close();
    if (::rename(making.c_str(), folder.cluster().c_str()) != 0) return failed(fmt::format("it cannot be renamed: {}", std::strerror(errno)), "");
    if (const int fd = ::open(folder.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); fd >= 0) {
        ::fsync(fd);
        ::close(fd);
    }
    return {};
}

// From a cluster that nobody uses to a database that accepts connections.
result<void> dev_postgres::state::launch()
{
    if (auto made = make_socket_folder(folder, owner); !made) return made;
    std::error_code none;
    auto log_before = fs::file_size(folder.log(), none);
    if (none) log_before = 0;
    if (log_before > largest_log) {
        fs::rename(folder.log(), folder.log().string() + ".1", none);
        log_before = 0;
    }
    const int log = ::open(folder.log().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0) return error{errc::database_unavailable, fmt::format("{} cannot be opened: {}.{}", folder.log().string(), std::strerror(errno), disk_note(folder.root))};

    auto command = as_owner({(programs.folder / "postgres").string(), "-D", folder.cluster().string(), "-k", folder.sockets.string(), "-c",
                             "listen_addresses=", "-c", "port=5432", "-c", "logging_collector=off", "-c", "cluster_name=" + folder.name});
    for (const auto& [name, value] : what.settings) command.command.insert(command.command.end(), {"-c", fmt::format("{}={}", name, value)});
    command.output = log;
    auto made = children.spawn(std::move(command));
    ::close(log);
    if (!made) return error{errc::database_unavailable, made.error().detail};
    postmaster = std::move(*made);

    auto ready = wait_until_ready(log_before);
    if (!ready) shut_down();
    return ready;
}

result<void> dev_postgres::state::wait_until_ready(std::uintmax_t log_before)
{
    const auto failed = [this, log_before](std::string_view why) {
        return error{errc::database_unavailable, fmt::format("PostgreSQL in {} {}.{} The end of {}:{}", folder.cluster().string(), why, disk_note(folder.root),
                                                             folder.log().string(), indented(last_lines(folder.log(), log_before)))};
    };
    const auto until = steady_clock::now() + what.start_limit;
    // Each refused attempt is a line in the log while the database recovers, so they become rarer.
    milliseconds pause = 10ms;
    std::string refusal;
    do {
        try {
            make_database();
            return {};
        } catch (const std::exception& e) {
            refusal = e.what();
        }
        if (const auto status = postmaster->wait(pause)) return failed(how_it_ended(*status));
        pause = std::min(pause * 3 / 2, milliseconds(500));
    } while (steady_clock::now() < until);
    return failed(fmt::format("did not accept connections within {} s ({})", what.start_limit.count() / 1000, last_lines(refusal)));
}

// Throws while the database does not accept connections.
void dev_postgres::state::make_database() const
{
    pqxx::connection session(folder.url("postgres") + "&connect_timeout=10");
    pqxx::nontransaction statements(session);
    // A crash may have come between the cluster and its database, so every start looks.
    if (statements.exec_params("select from pg_catalog.pg_database where datname = $1", std::string(database)).empty())
        statements.exec("create database " + statements.quote_name(std::string(database)));
    if (!what.work_database) return;
    if (statements.exec_params("select from pg_catalog.pg_roles where rolname = $1", std::string(work)).empty()) statements.exec("create role " + std::string(work) + " login");
    if (statements.exec_params("select from pg_catalog.pg_database where datname = $1", std::string(work)).empty())
        statements.exec(fmt::format("create database {0} owner {0}", work));
}

void dev_postgres::state::shut_down()
{
    if (!postmaster) return;
    postmaster->signal(SIGINT);
    if (!postmaster->wait(60s)) {
        postmaster->signal(SIGQUIT);
        postmaster->wait(10s);
    }
    postmaster.reset();
}

dev_postgres::dev_postgres(std::unique_ptr<state> with) : state_(std::move(with)) {}
dev_postgres::dev_postgres(dev_postgres&&) noexcept = default;

dev_postgres& dev_postgres::operator=(dev_postgres&& other) noexcept
{
    std::swap(state_, other.state_);
    return *this;
}

dev_postgres::~dev_postgres()
{
    stop();
}

result<dev_postgres> dev_postgres::start(options what)
{
    auto folder = open_data_folder(what.data_dir);
    if (!folder) return folder.error();
    auto lock = folder_lock::take(*folder);
    if (!lock) return lock.error();
    auto url = folder->url(database);
    std::unique_ptr<state> fresh(new state{.what = std::move(what), .folder = std::move(*folder), .lock = std::move(*lock), .url = std::move(url)});
    if (auto prepared = fresh->prepare(); !prepared) return prepared.error();
    if (auto launched = fresh->launch(); !launched) return launched.error();
    dev_postgres started(std::move(fresh));
    if (auto written = write_private_file(started.state_->folder.root / "database_url", started.url() + "\n"); !written) return written.error();
    return started;
}

const std::string& dev_postgres::url() const
{
    return state_->url;
}

std::string dev_postgres::work_url() const
{
    return state_->folder.url(work, work);
}

bool dev_postgres::running() const
{
    const std::lock_guard held(state_->mutex);
    return state_->postmaster && state_->postmaster->running();
}

int dev_postgres::watch_fd() const
{
    const std::lock_guard held(state_->mutex);
    return state_->postmaster ? state_->postmaster->fd() : -1;
}

result<void> dev_postgres::ensure_running()
{
    const std::lock_guard held(state_->mutex);
    if (state_->stopped) return error{errc::stopping, "The private PostgreSQL has been stopped."};
    if (state_->postmaster && state_->postmaster->running()) return {};
    if (state_->postmaster) state_->postmaster->wait(0ms);
    state_->postmaster.reset();
    if (auto ended = end_leftovers(state_->folder); !ended) return ended;
    return state_->launch();
}

void dev_postgres::stop()
{
    if (!state_) return;
    const std::lock_guard held(state_->mutex);
    if (std::exchange(state_->stopped, true)) return;
    state_->shut_down();
    std::error_code ignored;
    if (state_->folder.sockets.parent_path() != state_->folder.root) fs::remove_all(state_->folder.sockets, ignored);
    state_->lock.reset();
}

}
