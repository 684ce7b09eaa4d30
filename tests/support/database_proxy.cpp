#include "tests/support/database_proxy.hpp"

#include <cerrno>
#include <cstring>
#include <poll.h>
#include <pqxx/pqxx>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>

namespace rowlock::test {

namespace {

constexpr int turn_ms = 20;      // how soon a link notices that it is stalled or stopped

sockaddr_un address_of(const std::string& path)
{
    sockaddr_un out{};
    out.sun_family = AF_UNIX;
    if (path.size() >= sizeof out.sun_path) throw std::runtime_error("too long for a socket: " + path);
    std::memcpy(out.sun_path, path.c_str(), path.size() + 1);
    return out;
}

std::size_t length_at(const std::string& bytes, std::size_t at)
{
    std::size_t n = 0;
    for (std::size_t i = 0; i < 4; ++i) n = n << 8 | static_cast<unsigned char>(bytes[at + i]);
    return n;
}

bool write_all(int fd, std::string_view bytes)
{
    while (!bytes.empty()) {
        const auto n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

}

// One connection, on a thread of its own.
class database_proxy::link {
public:
    link(database_proxy& owner, int client) : owner_(owner), client_(client) {}
    ~link()
    {
        ::close(client_);
        if (server_ >= 0) ::close(server_);
    }

    void run()
    {
        const auto there = address_of(owner_.upstream_);
        server_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (server_ < 0 || ::connect(server_, reinterpret_cast<const sockaddr*>(&there), sizeof there) != 0) return;
        while (!owner_.stopping_.load()) {
            const bool stalled = owner_.stalled_.load();
            pollfd ready[2] = {{stalled ? -1 : client_, POLLIN, 0}, {stalled ? -1 : server_, POLLIN, 0}};
            if (::poll(ready, 2, turn_ms) <= 0) continue;
            if (ready[1].revents != 0 && !pass_answer()) return;
            if (ready[0].revents != 0 && !pass_question()) return;
        }
    }

private:
    bool pass_answer()
    {
        char piece[65536];
        const auto n = ::recv(server_, piece, sizeof piece, 0);
        return n > 0 && write_all(client_, {piece, static_cast<std::size_t>(n)});
    }

    bool pass_question()
    {
        char piece[65536];
        const auto n = ::recv(client_, piece, sizeof piece, 0);
        if (n <= 0) return false;
        asked_.append(piece, static_cast<std::size_t>(n));
        // Whole messages only: the first one, of a new connection, has no type.
        for (;;) {
            const std::size_t head = greeted_ ? 1 : 0;
            if (asked_.size() < head + 4) return true;
            const std::size_t size = head + length_at(asked_, head);
            if (asked_.size() < size) return true;
            const std::string message = asked_.substr(0, size);
            asked_.erase(0, size);
            greeted_ = true;
            if (head == 1 && message[0] == 'B' && owner_.should_cut(statement_of(message), where_, then_stall_)) {
                cutting_ = true;
                if (where_ == cut::before_forwarding) return end_cut();
            }
            if (!write_all(server_, message)) return false;
            if (cutting_ && message[0] == 'S') return end_cut();
        }
    }

    // A Bind names its portal, then its prepared statement.
    static std::string statement_of(const std::string& bind)
    {
        const auto portal_end = bind.find('\0', 5);
        return portal_end == std::string::npos ? "" : std::string(bind.c_str() + portal_end + 1);
    }

    bool end_cut()
    {
        if (then_stall_) owner_.stall();
        ::shutdown(client_, SHUT_RDWR);
        owner_.cuts_.fetch_add(1);
        if (where_ == cut::before_forwarding) return false;
        // The answer comes, and nobody hears it.
        char piece[65536];
        while (!owner_.stopping_.load()) {
            pollfd ready{server_, POLLIN, 0};
            if (::poll(&ready, 1, turn_ms) <= 0) continue;
            const auto n = ::recv(server_, piece, sizeof piece, 0);
            // 'Z': it is ready for the next question.
            if (n <= 0 || (n >= 6 && piece[n - 6] == 'Z')) return false;
        }
        return false;
    }

    database_proxy& owner_;
    int client_;
    int server_ = -1;
    std::string asked_;
    bool greeted_ = false;
    bool cutting_ = false;
    cut where_{};
    bool then_stall_ = false;
};

database_proxy::database_proxy(const std::string& url)
{
    pqxx::connection direct(url);
    upstream_ = std::string(direct.hostname()) + "/.s.PGSQL." + direct.port();
    const auto from = url.find("host=");
    if (from == std::string::npos) throw std::runtime_error("no host in " + url);
    url_ = url.substr(0, from) + "host=" + folder_.path().string() + "&port=5432";

    const auto here = address_of((folder_.path() / ".s.PGSQL.5432").string());
    listening_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listening_ < 0 || ::bind(listening_, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0 || ::listen(listening_, 64) != 0) {
        throw std::system_error(errno, std::generic_category(), "the proxy cannot listen");
    }
    ::chmod(here.sun_path, 0777);
    acceptor_ = std::thread([this] { accept_all(); });
}

database_proxy::~database_proxy()
{
    stopping_.store(true);
    acceptor_.join();
    ::close(listening_);
    for (auto& each : links_) each.join();
}

void database_proxy::cut_at(std::set<std::string> statements, cut where, bool then_stall)
{
    const std::lock_guard lock(mutex_);
    armed_ = std::move(statements);
    where_ = where;
    then_stall_ = then_stall;
    wanted_.store(cuts_.load() + 1);
}

bool database_proxy::should_cut(const std::string& statement, cut& where, bool& then_stall)
{
    const std::lock_guard lock(mutex_);
    if (!armed_.contains(statement)) return false;
    where = where_;
    then_stall = then_stall_;
    armed_.clear();
    return true;
}

void database_proxy::accept_all()
{
    while (!stopping_.load()) {
        pollfd ready{listening_, POLLIN, 0};
        if (::poll(&ready, 1, turn_ms) <= 0) continue;
        const int client = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
        if (client < 0) continue;
        links_.emplace_back([this, client] { link(*this, client).run(); });
    }
}

}
