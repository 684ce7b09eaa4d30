#include "storage/listener.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace rowlock::storage {

namespace {

class receiver final : public pqxx::notification_receiver {
public:
    receiver(pqxx::connection_base& c, const std::string& channel, const std::function<void(const std::string&)>& heard)
        : pqxx::notification_receiver(c, channel), heard_(heard)
    {
    }
    void operator()(const std::string& payload, int) override { heard_(payload); }

private:
    const std::function<void(const std::string&)>& heard_;
};

}

listener::listener(std::string url, std::string channel, std::function<void(const std::string& payload)> heard)
    : session_({std::move(url), session_kind::general, "rowlock listen"}), channel_(std::move(channel)), heard_(std::move(heard)), thread_([this] { work(); })
{
}

void listener::stop()
{
    stopping_.store(true);
    if (thread_.joinable()) thread_.join();
}

listener::standing listener::how() const
{
    const std::lock_guard lock(mutex_);
    return standing_;
}

void listener::stands(standing now)
{
    const std::lock_guard lock(mutex_);
    standing_ = std::move(now);
}

void listener::work()
{
    std::mutex mutex;
    std::condition_variable never;
    while (!stopping_.load()) {
        try {
            listen_once();
        } catch (const std::exception& e) {
            // The services that work with the database report that it is away; here one only tries again.
            stands({false, e.what()});
            session_.disconnect();
            std::unique_lock lock(mutex);
            never.wait_for(lock, std::chrono::milliseconds{500});
        }
    }
}

void listener::listen_once()
{
    pqxx::connection& c = session_.raw();
    const receiver registered(c, channel_, heard_);
    stands({true, {}});
    heard_("");
    while (!stopping_.load()) c.await_notification(0, 250'000);
}

}
