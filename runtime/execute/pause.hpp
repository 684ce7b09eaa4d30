#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace rowlock::runtime {

// How a database thread waits between tries while the server is away: 20 ms, doubled up to 500 ms.
class reconnect_pause {
public:
    void pause()
    {
        std::unique_lock lock(mutex_);
        never_.wait_for(lock, delay_);
        delay_ = std::min(delay_ * 2, std::chrono::milliseconds{500});
    }

    void reset() { delay_ = first; }

private:
    static constexpr std::chrono::milliseconds first{20};
    std::chrono::milliseconds delay_ = first;
    std::mutex mutex_;
    std::condition_variable never_;
};

}
