// UnixClient PATH TEXT - sends TEXT to a stream service on a path (listen = unix:PATH), prints the
// answer. Java 16 and newer; a channel alone does not know descriptors or who is at the other end.
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;

public class UnixClient {
    public static void main(String[] words) throws Exception {
        ByteBuffer text = ByteBuffer.wrap(words[1].getBytes(StandardCharsets.UTF_8));
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(words[0]))) {
            while (text.hasRemaining())
                channel.write(text);
            channel.shutdownOutput();
            System.out.write(Channels.newInputStream(channel).readAllBytes());
            System.out.println();
        }
    }
}
