// StreamClient HOST PORT TEXT - sends TEXT to a stream service (listen = tcp:PORT), prints the
// answer. Run it as it is: java StreamClient.java 127.0.0.1 7 "good day"
import java.net.Socket;
import java.nio.charset.StandardCharsets;

public class StreamClient {
    public static void main(String[] words) throws Exception {
        try (Socket socket = new Socket(words[0], Integer.parseInt(words[1]))) {
            socket.setSoTimeout(10_000); // every wait has an end
            socket.getOutputStream().write(words[2].getBytes(StandardCharsets.UTF_8));
            socket.shutdownOutput(); // the service sees the end of the request
            System.out.write(socket.getInputStream().readAllBytes());
            System.out.println();
        }
    }
}
